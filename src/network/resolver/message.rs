//! DNS messages as bytes: what is asked, and an answer of the size that the asker can take. Pure; the codec is
//! hickory's.

use std::net::IpAddr;

use gam_core::discovery::{Answer, Family, Question};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Seconds for which an answer may be kept: none. Docker says 600, and clients that believe it go on to endpoints that
/// are gone.
const TTL: u32 = 0;
/// What anybody takes over UDP (RFC 1035).
const UDP_MIN: usize = 512;
/// What is sent over UDP at most, whatever the asker would take: a message of this size still passes every network
/// without fragments (`dnsflagday.net`).
const UDP_MAX: usize = 1232;
/// What fits before the length over TCP.
const TCP_MAX: usize = u16::MAX as usize;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a packet.
    Udp,
    /// In a stream.
    Tcp,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Asked {
    message: Message,
    query: Query,
    name: String,
    transport: Transport,
}

/// What cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It gets no answer: it is no question, or shorter than a header. To answer answers could go on for ever.
    Silence,
    /// It gets this one.
    Refusal(Vec<u8>),
}

impl Asked {
    /// Reads a message.
    pub fn read(bytes: &[u8], transport: Transport) -> Result<Asked, Bad> {
        let Some((id, flags)) = head(bytes) else { return Err(Bad::Silence) };
        if flags & 0x8000 != 0 {
            return Err(Bad::Silence);
        }
        let refusal = |code| Bad::Refusal(refusal(id, flags, code));
        let message = Message::from_vec(bytes).map_err(|_| refusal(ResponseCode::FormErr))?;
        if message.metadata.op_code != OpCode::Query {
            return Err(refusal(ResponseCode::NotImp));
        }
        // More than one question in a message is what nobody asks and nobody answers.
        let [query] = &message.queries[..] else { return Err(refusal(ResponseCode::FormErr)) };
        let query = query.clone();
        Ok(Asked { name: query.name().to_ascii(), query, message, transport })
    }

    /// What is asked of the names of the swarm; `None` if it can only be for somebody else.
    pub fn question(&self) -> Option<Question<'_>> {
        if !matches!(self.query.query_class(), DNSClass::IN | DNSClass::ANY) {
            return None;
        }
        match self.query.query_type() {
            RecordType::A => Some(Question::Addresses(&self.name, Family::V4)),
            RecordType::AAAA => Some(Question::Addresses(&self.name, Family::V6)),
            RecordType::PTR => self.pointed().map(Question::Name),
            _ => Some(Question::Other(&self.name)),
        }
    }

    /// Whether the addresses of a name without dots are asked for.
    pub fn is_short(&self) -> bool {
        matches!(self.query.query_type(), RecordType::A | RecordType::AAAA)
            && !self.name.trim_end_matches('.').contains('.')
    }

    /// The address of `3.1.0.10.in-addr.arpa.`.
    fn pointed(&self) -> Option<IpAddr> {
        let net = self.query.name().parse_arpa_name().ok()?;
        (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
    }

    /// The answer; `shuffle` may bring the addresses into another order. What does not fit in a packet is left out and
    /// its lack marked, as `moby: libnetwork/resolver.go` does, so that the asker comes again over TCP.
    pub fn answer(&self, answer: &Answer, shuffle: impl FnOnce(&mut [IpAddr])) -> Vec<u8> {
        let mut reply = self.reply(ResponseCode::NoError);
        let records: Vec<RData> = match answer {
            Answer::Addresses { found, .. } => {
                let mut found = found.clone();
                shuffle(&mut found);
                found.into_iter().map(address).collect()
            }
            // A name that DNS cannot spell is none.
            Answer::Name(name) => Name::from_ascii(format!("{name}.")).map(PTR).map(RData::PTR).into_iter().collect(),
            Answer::Nothing | Answer::Unknown => Vec::new(),
        };
        let records = records.into_iter().map(|data| Record::from_rdata(self.query.name().clone(), TTL, data));
        reply.add_answers(records);
        self.fitted(reply)
    }

    /// An answer without one.
    pub fn failure(&self, code: ResponseCode) -> Vec<u8> {
        self.fitted(self.reply(code))
    }

    fn reply(&self, code: ResponseCode) -> Message {
        let mut reply = Message::response(self.message.metadata.id, OpCode::Query);
        reply.metadata.recursion_desired = self.message.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.metadata.response_code = code;
        reply.add_query(self.query.clone());
        if self.message.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_MAX as u16);
            reply.set_edns(edns);
        }
        reply
    }

    /// As many bytes as the asker takes.
    fn limit(&self) -> usize {
        match (self.transport, &self.message.edns) {
            (Transport::Tcp, _) => TCP_MAX,
            (Transport::Udp, None) => UDP_MIN,
            (Transport::Udp, Some(edns)) => usize::from(edns.max_payload()).clamp(UDP_MIN, UDP_MAX),
        }
    }

    fn fitted(&self, mut reply: Message) -> Vec<u8> {
        let limit = self.limit();
        let all = reply.answers.len();
        // The most answers that fit, by halving: their size grows with their number.
        let (mut fits, mut too_many) = (0, all + 1);
        let answers = std::mem::take(&mut reply.answers);
        let mut best = None;
        let mut tried = all;
        while fits + 1 < too_many || best.is_none() {
            reply.answers = answers[..tried].to_vec();
            reply.metadata.truncation = tried < all;
            match reply.to_vec() {
                Ok(bytes) if bytes.len() <= limit || tried == 0 => {
                    fits = tried;
                    best = Some(bytes);
                }
                _ if tried == 0 => break,
                _ => too_many = tried,
            }
            tried = (fits + too_many) / 2;
        }
        best.unwrap_or_else(|| refusal(self.message.metadata.id, 0, ResponseCode::ServFail))
    }
}

/// Id and flags.
fn head(bytes: &[u8]) -> Option<(u16, u16)> {
    let head = bytes.first_chunk::<12>()?;
    Some((u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]])))
}

/// A header alone, for what could not be read.
fn refusal(id: u16, flags: u16, code: ResponseCode) -> Vec<u8> {
    // A response with the opcode and the wish for recursion of the question, and recursion on offer.
    let flags = 0x8080 | flags & 0x7900 | u16::from(code.low());
    [id, flags, 0, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn address(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

/// Whether `answer` answers `question`, both as bytes: same question, other direction. The id is not looked at.
pub fn answers(question: &[u8], answer: &[u8]) -> bool {
    let (Ok(question), Ok(answer)) = (Message::from_vec(question), Message::from_vec(answer)) else { return false };
    // A server that could not read the question may leave it out.
    let same = answer.queries.is_empty() && answer.metadata.response_code != ResponseCode::NoError
        || answer.queries == question.queries;
    answer.metadata.message_type == MessageType::Response && same
}

/// Whether another server might know better.
pub fn is_failure(answer: &[u8]) -> bool {
    head(answer).is_none_or(|(_, flags)| {
        [ResponseCode::ServFail, ResponseCode::Refused].iter().any(|code| flags & 0xf == u16::from(code.low()))
    })
}

/// The same message under another id.
pub fn with_id(mut bytes: Vec<u8>, id: u16) -> Vec<u8> {
    if let Some(place) = bytes.first_chunk_mut::<2>() {
        *place = id.to_be_bytes();
    }
    bytes
}

/// The id of a message; 0 of one that has none.
pub fn id(bytes: &[u8]) -> u16 {
    head(bytes).map_or(0, |(id, _)| id)
}

#[cfg(test)]
mod tests;
