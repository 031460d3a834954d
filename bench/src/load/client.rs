//! One kept-alive connection.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection with one request under way at most.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Where the parts of the answer in the buffer are.
#[derive(Clone, Copy)]
struct Extent {
    head: usize,
    whole: usize,
}

impl Client {
    /// Connects.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for the whole answer: its status and its body.
    pub async fn send(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let extent = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            match extent(&self.buffer)? {
                Some(extent) if self.buffer.len() >= extent.whole => break extent,
                _ => {}
            }
        };
        let status = self.buffer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        Ok((status.context("an answer without a status")?, &self.buffer[extent.head..extent.whole]))
    }
}

/// `None` while the head is not complete.
fn extent(buffer: &[u8]) -> Result<Option<Extent>> {
    let Some(end) = find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let head = &buffer[..end + 2];
    let at = find(head, b"\r\ncontent-length: ").context("an answer without a length")? + 18;
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Ok(Some(Extent { head: end + 4, whole: end + 4 + length }))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
