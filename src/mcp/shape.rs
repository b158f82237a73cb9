//! What a message may look like before anything is made of it: valid JSON, not nested without end, not of millions of pieces.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, JsonRpcError, RequestId};
use serde::Deserialize;
use serde_json::Value;

/// Arrays and objects within each other. The deepest message that the protocol knows has nine levels and the caller's own arguments.
const MOST_DEPTH: usize = 64;
/// Values of a message; the largest real ones have some hundreds.
const MOST_VALUES: usize = 50_000;

/// Checks depth and number of values without building anything. Says nothing about whether it is JSON.
///
/// # Errors
/// In words.
fn scan(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut values, mut quoted, mut escaped) = (0usize, 1usize, false, false);
    for byte in bytes {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => continue,
        }
        if depth > MOST_DEPTH {
            return Err(format!("the message is nested deeper than {MOST_DEPTH} levels"));
        }
        if values > MOST_VALUES {
            return Err(format!("the message has more than {MOST_VALUES} values"));
        }
    }
    Ok(())
}

/// Refuses what is too deep or has too many values.
///
/// # Errors
/// What to answer.
pub(super) fn bounded(bytes: &[u8]) -> Result<(), Box<JsonRpcError>> {
    scan(bytes).map_err(|message| Box::new(JsonRpcError::new(None, ErrorData::invalid_request(message, None))))
}

/// Reads one message.
///
/// # Errors
/// What to answer: a parse error, or an invalid request under its own id where it has one.
pub(super) fn read(bytes: &[u8]) -> Result<ClientJsonRpcMessage, Box<JsonRpcError>> {
    let invalid = |id, message: String| Box::new(JsonRpcError::new(id, ErrorData::invalid_request(message, None)));
    bounded(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| match serde_json::from_slice::<Value>(bytes) {
        Err(_) => Box::new(JsonRpcError::new(None, ErrorData::new(ErrorCode::PARSE_ERROR, format!("not JSON: {error}"), None))),
        Ok(Value::Array(_)) => invalid(None, "batches are not supported; send one message at a time".to_owned()),
        Ok(value) => {
            let id = value.get("id").and_then(|id| RequestId::deserialize(id).ok());
            invalid(id, "this is no JSON-RPC 2.0 message of MCP".to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_number_are_bounded_and_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(scan(nested(MOST_DEPTH).as_bytes()).is_ok());
        assert!(scan(nested(MOST_DEPTH + 1).as_bytes()).is_err());
        assert!(scan(format!("[{}0]", "0,".repeat(MOST_VALUES - 1)).as_bytes()).is_ok());
        assert!(scan(format!("[{}0]", "0,".repeat(MOST_VALUES)).as_bytes()).is_err());
        assert!(scan(format!("\"{}\"", "[,\\\"".repeat(MOST_VALUES)).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_under_the_right_code_and_id() {
        let code = |text: &str| read(text.as_bytes()).map(drop).map_err(|e| (e.error.code.0, e.id));
        let one = Some(RequestId::Number(1));
        assert_eq!(code("{"), Err((-32_700, None)));
        assert_eq!(code("\u{1}"), Err((-32_700, None)));
        assert_eq!(code("[]"), Err((-32_600, None)));
        assert_eq!(code("7"), Err((-32_600, None)));
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#), Err((-32_600, one.clone())));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1}"#), Err((-32_600, one)));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Ok(()));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":[]}}"#), Ok(()), "judged by its handler");
    }
}
