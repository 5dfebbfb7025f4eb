//! What an `https` line says of a response: its headers, its body, or its bytes.

use http::{HeaderName, HeaderValue};

use super::super::token::{base64, latin1, quoted, word};
use super::{Parsed, Words, bad, number};
use crate::web::{Body, RawPiece};

type Headers = Vec<(HeaderName, HeaderValue)>;

pub(super) fn headers(text: &str) -> Parsed<(Headers, &str)> {
    let mut headers = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with('"') {
        let (header, behind) = quoted(rest).ok_or_else(|| bad("\"NAME: VALUE\"", rest))?;
        let problem = || bad("\"NAME: VALUE\"", &header);
        let (name, value) = header.split_once(':').ok_or_else(problem)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem())?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| problem())?;
        headers.push((name, value));
        rest = behind.trim_start();
    }
    Ok((headers, rest))
}

/// Quoted texts, each with how often it is sent behind it.
pub(super) fn raw(text: &str) -> Parsed<Vec<RawPiece>> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() || pieces.is_empty() {
        let problem = || bad("a quoted text, its characters up to U+00FF", rest);
        let (piece, behind) = quoted(rest).ok_or_else(problem)?;
        let bytes = latin1(&piece).ok_or_else(problem)?;
        let (count, behind) = match behind.strip_prefix('*') {
            None => (Some(1), behind),
            Some(behind) => match word(behind) {
                ("infinite", behind) => (None, behind),
                (count, behind) => (Some(number("a number, or infinite", count)?), behind),
            },
        };
        pieces.push(RawPiece { bytes, count });
        rest = behind.trim_start();
    }
    Ok(pieces)
}

pub(super) fn body(text: &str) -> Parsed<Body> {
    let text = text.trim();
    if text.starts_with(['{', '[']) {
        return Ok(Body::Bytes(text.into()));
    }
    if let Some(rest) = text.strip_prefix("body=") {
        let (body, rest) = quoted(rest).ok_or_else(|| bad("a quoted text", rest))?;
        Words(rest).end()?;
        return Ok(Body::Bytes(body.into()));
    }
    if let Some(text) = text.strip_prefix("body64=") {
        return Ok(Body::Bytes(base64(text).ok_or_else(|| bad("base64", text))?));
    }
    if let Some(rest) = text.strip_prefix("repeat=") {
        let problem = || bad("\"PREFIX\" \"UNIT\" COUNT \"SUFFIX\"", rest);
        let (prefix, rest) = quoted(rest).ok_or_else(problem)?;
        let (unit, rest) = quoted(rest).ok_or_else(problem)?;
        let (count, rest) = word(rest);
        let count = match count {
            "infinite" => None,
            count => Some(number("a number, or infinite", count)?),
        };
        let (suffix, rest) = match rest.trim() {
            "" => (String::new(), ""),
            rest => quoted(rest).ok_or_else(|| bad("a quoted text", rest))?,
        };
        Words(rest).end()?;
        return Ok(Body::Repeat { prefix, unit, count, suffix });
    }
    Ok(Body::Bytes(text.into()))
}
