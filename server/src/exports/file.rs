//! The file of an export, in the database: in parts of one size, each sealed by the person's key, so that any instance reads any range
//! and opens no more of it than it needs.

use axum::body::Bytes;
use uuid::Uuid;

use super::sending::Parts;
use super::store;
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::secret::{PersonKey, Place};

/// Bytes in a part; the last one has what is left.
pub(super) const PART: usize = 256 * 1024;

/// Which file: a run of an export, and the key of whose it is.
#[derive(Clone)]
pub(super) struct File {
    pub export: Uuid,
    pub run: Uuid,
    pub key: PersonKey,
}

impl File {
    /// The row of a part as its seal binds it: nobody moves one into another file, or to another place.
    fn row(&self, number: i64) -> [u8; 40] {
        let mut row = [0; 40];
        row[..16].copy_from_slice(self.export.as_bytes());
        row[16..32].copy_from_slice(self.run.as_bytes());
        row[32..].copy_from_slice(&number.to_be_bytes());
        row
    }

    fn seal(&self, number: i64, plain: &[u8]) -> Vec<u8> {
        self.key.seal(Place { table: "export_chunks", column: "sealed", row: &self.row(number) }, plain)
    }

    /// The part `number`.
    ///
    /// # Errors
    /// `gone` when it was deleted meanwhile; it cannot be opened.
    pub async fn part(&self, ground: &Ground, number: i64) -> Result<Vec<u8>, Problem> {
        let sealed = store::part(&ground.db, self.export, self.run, number).await?.ok_or(Code::Gone)?;
        Ok(self.key.open(Place { table: "export_chunks", column: "sealed", row: &self.row(number) }, &sealed)?)
    }
}

/// Bytes of a file, from one to another.
pub(super) struct Reading {
    ground: Ground,
    file: File,
    at: u64,
    /// Behind the last byte that is wanted.
    end: u64,
}

impl Reading {
    /// Reads from `at` up to `end`.
    pub const fn new(ground: Ground, file: File, at: u64, end: u64) -> Self {
        Self { ground, file, at, end }
    }

    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// As [`File::part`].
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.at >= self.end {
            return Ok(None);
        }
        let (size, short) = (PART as u64, || Problem::internal("a part of an export is shorter than it was"));
        let number = i64::try_from(self.at / size).map_err(Problem::internal)?;
        let mut part = self.file.part(&self.ground, number).await?;
        let skip = usize::try_from(self.at % size).map_err(Problem::internal)?;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        part.truncate(skip.saturating_add(left));
        if part.len() <= skip {
            return Err(short());
        }
        part.drain(..skip);
        self.at += part.len() as u64;
        Ok(Some(part))
    }
}

impl Parts for Reading {
    async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        Ok(self.next().await?.map(Bytes::from))
    }
}

/// Writes a file; what it holds back is never more than one part and what was given last.
pub(super) struct Writing {
    ground: Ground,
    file: File,
    /// Whose it is; what they may store is counted over all of their exports.
    person: Uuid,
    held: Vec<u8>,
    number: i64,
    bytes: u64,
}

/// Why a file is not written any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Another worker has taken the export over, or it was deleted: nothing of this run counts any more.
    Overtaken,
    /// Its person may not store more.
    NoRoom,
}

impl Writing {
    /// Stands at the beginning of `file`.
    pub fn new(ground: Ground, file: File, person: Uuid) -> Self {
        Self { ground, file, person, held: Vec::with_capacity(PART), number: 0, bytes: 0 }
    }

    /// Bytes that were given so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends `bytes`, after which `rows` are written.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn write(&mut self, bytes: &[u8], rows: u64) -> Result<Result<(), Ended>, DbError> {
        if bytes.is_empty() {
            return self.note(rows).await;
        }
        self.held.extend_from_slice(bytes);
        self.bytes += bytes.len() as u64;
        let mut done = 0;
        while self.held.len() - done >= PART {
            if let Err(ended) = self.put(done, done + PART, rows).await? {
                return Ok(Err(ended));
            }
            done += PART;
        }
        self.held.drain(..done);
        Ok(Ok(()))
    }

    /// Writes what is held back.
    ///
    /// # Errors
    /// As [`Writing::write`].
    pub async fn finish(&mut self, rows: u64) -> Result<Result<(), Ended>, DbError> {
        match self.held.len() {
            0 => Ok(Ok(())),
            left => self.put(0, left, rows).await,
        }
    }

    /// Only how far it is: a PDF is written in one piece at the end.
    async fn note(&self, rows: u64) -> Result<Result<(), Ended>, DbError> {
        let (export, run, bytes, now) = (self.file.export, self.file.run, self.bytes, self.ground.clock.now());
        let work = async move |tx: &mut Tx| store::advance(tx, export, run, rows, bytes, now).await;
        Ok(if self.ground.db.write(work).await? { Ok(()) } else { Err(Ended::Overtaken) })
    }

    async fn put(&mut self, from: usize, to: usize, rows: u64) -> Result<Result<(), Ended>, DbError> {
        let sealed = self.file.seal(self.number, &self.held[from..to]);
        let written = self.number as u64 * PART as u64 + (to - from) as u64;
        let (export, run, number, person) = (self.file.export, self.file.run, self.number, self.person);
        let (now, room) = (self.ground.clock.now(), self.ground.settings.exports.bytes_per_person);
        let work = async move |tx: &mut Tx| {
            // The order is held to the end of the transaction, so whoever takes it over meanwhile waits.
            if !store::advance(tx, export, run, rows, written, now).await? {
                return Ok(Err(Ended::Overtaken));
            }
            // Exports that are written side by side may overshoot by a part each.
            if store::others(tx, person, export, now).await?.saturating_add(written) > room {
                return Ok(Err(Ended::NoRoom));
            }
            store::put(tx, export, run, number, sealed.clone()).await?;
            Ok::<_, DbError>(Ok(()))
        };
        let ours = self.ground.db.write(work).await?;
        self.number += 1;
        Ok(ours)
    }
}
