//! Reading server-sent events (WHATWG HTML, "Server-sent events"), apart from any connection.

/// Longest event: what a master sends is far below, and a stream without an end of line must not
/// fill the memory.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The stream's last id, if any event had one.
    pub id: Option<String>,
    /// The data lines, joined by line feeds.
    pub data: String,
}

/// An event longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Turns bytes into events, however the network cut them.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_carriage_return: bool,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// Takes the next bytes and appends the events that they complete to `events`.
    pub(crate) fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        for &byte in bytes {
            let ends_crlf = byte == b'\n' && std::mem::take(&mut self.after_carriage_return);
            match byte {
                _ if ends_crlf => {}
                b'\n' | b'\r' => {
                    self.after_carriage_return = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_of_line(&line));
                }
                _ => {
                    self.after_carriage_return = false;
                    let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
                    if held >= MAX_EVENT_BYTES {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let data = self.data.take()?;
            return Some(Event { id: self.id.clone(), data });
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_string()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_string()),
            // Comments keep the connection alive; names and retry times are not used here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, &mut events).unwrap();
        }
        events
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text =
            ": hello\r\nid: 7\ndata: {\"a\":\ndata:1}\n\nevent: x\n\nid:8\rdata\r\rdata: lost"
                .as_bytes();
        let whole = parse(&[text]);
        let event = |id: &str, data: &str| Event { id: Some(id.into()), data: data.into() };
        assert_eq!(whole, [event("7", "{\"a\":\n1}"), event("8", "")]);
        for cut in 0..text.len() {
            assert_eq!(parse(&[&text[..cut], &text[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        assert_eq!(parser.feed(&vec![b'x'; MAX_EVENT_BYTES + 1], &mut events), Err(TooLong));
    }
}
