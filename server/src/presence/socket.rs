//! One open socket: a single task that reads, writes and ends it.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use tungstenite::Error as WsError;
use tungstenite::error::CapacityError;

use super::Seat;
use super::close::Close;
use super::outbox::Next;
use super::talk::Talk;

/// How long a client that is being sent away may take to hear it.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a connection ended.
enum End {
    /// We close it.
    Ours(Close),
    /// The client closed it, on purpose.
    Theirs,
    /// It broke.
    Lost,
}

/// Serves the socket to its end.
pub(super) async fn serve(mut seat: Seat, mut socket: WebSocket) {
    let end = converse(&mut seat, &mut socket).await;
    let word = match &end {
        End::Ours(why) => why.reason(),
        End::Theirs => "closed_by_client",
        End::Lost => "lost",
    };
    metrics::counter!("keystead_realtime_closes_total", "reason" => word).increment(1);
    seat.parks = match end {
        End::Ours(why) => why.may_resume(),
        End::Theirs => false,
        End::Lost => true,
    };
    // Others learn now; the farewell may take its time.
    drop(seat);
    if let End::Ours(why) = end {
        let _ = tokio::time::timeout(FAREWELL, dismiss(socket, why)).await;
    }
}

/// Reads and writes until one side has enough.
async fn converse(seat: &mut Seat, socket: &mut WebSocket) -> End {
    let connection = seat.connection.clone();
    let mut talk = Talk::new(seat);
    talk.greet(None);
    loop {
        tokio::select! {
            biased;
            next = connection.outbox.next() => {
                let Err(end) = write(&connection.outbox, socket, next).await else { continue };
                return end;
            }
            message = socket.recv() => {
                let end = match message {
                    Some(Ok(Message::Text(text))) => talk.hear(&text).await.err().map(End::Ours),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => talk.beat().err().map(End::Ours),
                    Some(Ok(Message::Binary(_))) => Some(End::Ours(Close::Binary)),
                    Some(Ok(Message::Close(_))) => Some(End::Theirs),
                    Some(Err(error)) => Some(broken(error)),
                    None => Some(End::Lost),
                };
                if let Some(end) = end {
                    return end;
                }
            }
        }
    }
}

/// Writes `next` and whatever else waits, then flushes once. Ends when the connection is to be closed meanwhile, which it is
/// when the client takes nothing and too much comes to wait.
async fn write(outbox: &super::outbox::Outbox, socket: &mut WebSocket, next: Next) -> Result<(), End> {
    let all = async {
        let mut next = Some(next);
        while let Some(frame) = next {
            match frame {
                Next::Frame(text) => socket.feed(Message::Text(text)).await.map_err(|_| End::Lost)?,
                Next::Close(why) => return Err(End::Ours(why)),
            }
            next = outbox.take();
        }
        socket.flush().await.map_err(|_| End::Lost)
    };
    tokio::select! {
        biased;
        written = all => written,
        why = outbox.closed() => Err(End::Ours(why)),
    }
}

/// Says why, and waits for the client's own close: a socket that is closed with unread bytes in it is reset, and a reset can
/// overtake the reason.
async fn dismiss(mut socket: WebSocket, why: Close) {
    let frame = CloseFrame { code: why.code(), reason: why.reason().into() };
    if socket.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    while let Some(message) = socket.recv().await {
        if message.is_err() {
            // What the client still sends cannot be read, and closing over it would be a reset: leave the client the time.
            std::future::pending::<()>().await;
        }
    }
}

/// What the client did wrong, or that the line broke.
fn broken(error: axum::Error) -> End {
    match error.into_inner().downcast_ref::<WsError>() {
        Some(WsError::Capacity(CapacityError::MessageTooLong { .. })) => End::Ours(Close::TooLarge),
        Some(WsError::Utf8(_)) => End::Ours(Close::NotText),
        Some(WsError::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => End::Lost,
        Some(WsError::Protocol(_)) => End::Ours(Close::Protocol),
        _ => End::Lost,
    }
}
