//! The one error that reaches a user: a kind, which fixes the HTTP status, and a message in Docker's own words.
//!
//! Messages that Docker's control API makes reach its users with the gRPC prefix
//! (`rpc error: code = InvalidArgument desc = …`); that wording is part of the contract, so [`Error::rpc`] keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, as far as a client may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The request itself is wrong (400).
    Invalid,
    /// The caller may not do this (403).
    Forbidden,
    /// The object does not exist (404).
    NotFound,
    /// The object exists already, or is in use (409).
    Conflict,
    /// Something failed that is not the caller's fault, or that Docker reports so (500).
    Internal,
    /// The call exists but is not honoured (501).
    Unimplemented,
    /// Not now: no swarm, no leader, no engine (503).
    Unavailable,
}

impl Kind {
    /// The HTTP status that dockerd answers for this kind.
    pub fn status(self) -> u16 {
        match self {
            Kind::Invalid => 400,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::Internal => 500,
            Kind::Unimplemented => 501,
            Kind::Unavailable => 503,
        }
    }
}

/// A gRPC status code, as Docker's control API names it in its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `InvalidArgument`, 400.
    InvalidArgument,
    /// `NotFound`, 404.
    NotFound,
    /// `AlreadyExists`, 409.
    AlreadyExists,
    /// `FailedPrecondition`, 400.
    FailedPrecondition,
    /// `PermissionDenied`, 403.
    PermissionDenied,
    /// `Unimplemented`, 501.
    Unimplemented,
    /// `Unavailable`, 503.
    Unavailable,
    /// `DeadlineExceeded`, 500.
    DeadlineExceeded,
    /// `Unknown`, 500.
    Unknown,
    /// `Internal`, 500.
    Internal,
}

impl Code {
    fn kind(self) -> Kind {
        match self {
            Code::InvalidArgument | Code::FailedPrecondition => Kind::Invalid,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::Conflict,
            Code::PermissionDenied => Kind::Forbidden,
            Code::Unimplemented => Kind::Unimplemented,
            Code::Unavailable => Kind::Unavailable,
            Code::DeadlineExceeded | Code::Unknown | Code::Internal => Kind::Internal,
        }
    }
}

/// A refusal that a user will read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Error {
    /// What kind of refusal this is; fixes the HTTP status.
    pub kind: Kind,
    /// The sentence, in Docker's own words where Docker has some.
    pub message: String,
}

impl Error {
    /// A refusal with a plain sentence.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Error {
        Error { kind, message: message.to_string() }
    }

    /// A refusal as Docker's control API words it: `rpc error: code = … desc = …`.
    pub fn rpc(code: Code, message: impl fmt::Display) -> Error {
        Error { kind: code.kind(), message: format!("rpc error: code = {code:?} desc = {message}") }
    }

    /// A plain 400.
    pub fn invalid(message: impl fmt::Display) -> Error {
        Error::new(Kind::Invalid, message)
    }

    /// A plain 404.
    pub fn not_found(message: impl fmt::Display) -> Error {
        Error::new(Kind::NotFound, message)
    }

    /// A plain 503.
    pub fn unavailable(message: impl fmt::Display) -> Error {
        Error::new(Kind::Unavailable, message)
    }

    /// A plain 500.
    pub fn internal(message: impl fmt::Display) -> Error {
        Error::new(Kind::Internal, message)
    }
}
