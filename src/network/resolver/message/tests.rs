use proptest::prelude::*;

use super::*;

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 7;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn bytes(name: &str, kind: RecordType) -> Vec<u8> {
    question(name, kind).to_vec().unwrap()
}

fn asked(name: &str, kind: RecordType) -> Asked {
    Asked::read(&bytes(name, kind), Transport::Udp).unwrap()
}

fn addresses(count: u32) -> Answer {
    Answer::Addresses {
        found: (0..count).map(|at| IpAddr::from((0x0a00_0100 + at).to_be_bytes())).collect(),
        virtual_ips: Vec::new(),
    }
}

/// The head and the answers of a message, a line each.
fn told(reply: &[u8]) -> String {
    let message = Message::from_vec(reply).unwrap();
    let head = &message.metadata;
    let answers = message.answers.iter().map(|record| format!("\n{record}")).collect::<String>();
    format!(
        "{} {} rd={} ra={} tc={} {}{answers}",
        head.id,
        head.response_code,
        head.recursion_desired,
        head.recursion_available,
        head.truncation,
        message.queries.len()
    )
}

#[test]
fn questions_are_read() {
    assert_eq!(asked("Web.", RecordType::A).question(), Some(Question::Addresses("Web.", Family::V4)));
    assert_eq!(asked("tasks.web.", RecordType::AAAA).question(), Some(Question::Addresses("tasks.web.", Family::V6)));
    assert_eq!(asked("web.", RecordType::MX).question(), Some(Question::Other("web.")));
    let name = |text: &str| Some(Question::Name(text.parse().unwrap()));
    assert_eq!(asked("3.1.0.10.in-addr.arpa.", RecordType::PTR).question(), name("10.0.1.3"));
    let v6 = format!("3.{}0.0.d.f.ip6.arpa.", "0.".repeat(27));
    assert_eq!(asked(&v6, RecordType::PTR).question(), name("fd00::3"));
    // The name of a network of addresses, or of none.
    for other in ["1.0.10.in-addr.arpa.", "x.in-addr.arpa.", "web."] {
        assert_eq!(asked(other, RecordType::PTR).question(), None, "{other}");
    }
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(Asked::read(&chaos.to_vec().unwrap(), Transport::Udp).unwrap().question(), None);
    assert!(asked("web.", RecordType::A).is_short() && asked("web", RecordType::AAAA).is_short());
    assert!(!asked("web.net.", RecordType::A).is_short() && !asked("web.", RecordType::MX).is_short());
}

#[test]
fn every_answer_has_its_form() {
    let web = asked("web.", RecordType::A);
    let reversed = |addresses: &mut [IpAddr]| addresses.reverse();
    assert_eq!(
        told(&web.answer(&addresses(2), reversed)),
        "7 No Error rd=true ra=true tc=false 1\nweb. 0 IN A 10.0.1.1\nweb. 0 IN A 10.0.1.0"
    );
    assert_eq!(told(&web.answer(&Answer::Nothing, |_| {})), "7 No Error rd=true ra=true tc=false 1");
    let pointer = asked("3.1.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(
        told(&pointer.answer(&Answer::Name("web.1.x.net".into()), |_| {})),
        "7 No Error rd=true ra=true tc=false 1\n3.1.0.10.in-addr.arpa. 0 IN PTR web.1.x.net."
    );
    let unspeakable = Answer::Name("a..b".into());
    assert_eq!(told(&pointer.answer(&unspeakable, |_| {})), "7 No Error rd=true ra=true tc=false 1");
    assert_eq!(told(&web.failure(ResponseCode::ServFail)), "7 Server Failure rd=true ra=true tc=false 1");
}

#[test]
fn what_does_not_fit_in_a_packet_is_marked_and_comes_whole_in_a_stream() {
    let over = |transport, payload: Option<u16>, count| {
        let mut message = question("tasks.web.", RecordType::A);
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        let asked = Asked::read(&message.to_vec().unwrap(), transport).unwrap();
        let reply = asked.answer(&addresses(count), |_| {});
        let read = Message::from_vec(&reply).unwrap();
        assert_eq!(read.edns.is_some(), payload.is_some(), "an OPT is answered with one");
        (reply.len(), read.answers.len(), read.metadata.truncation)
    };
    let (length, count, cut) = over(Transport::Udp, None, 1000);
    assert!(length <= 512 && length > 480 && count > 25 && cut, "{length} {count}");
    let (length, count, cut) = over(Transport::Udp, Some(9999), 1000);
    assert!(length <= UDP_MAX && length > UDP_MAX - 20 && count > 70 && cut, "{length} {count}");
    // A size below the least that everybody takes is the least.
    assert_eq!(over(Transport::Udp, Some(1), 20).1, 20);
    assert_eq!(over(Transport::Udp, None, 29).1, 29, "exactly what fits is not cut");
    let (_, count, cut) = over(Transport::Tcp, None, 1000);
    assert_eq!((count, cut), (1000, false));
    let (length, count, cut) = over(Transport::Tcp, None, 5000);
    assert!(length <= TCP_MAX && count > 2000 && cut);
}

#[test]
fn what_is_no_question_is_refused_or_passed_over() {
    let code = |bytes: &[u8]| match Asked::read(bytes, Transport::Udp) {
        Err(Bad::Refusal(reply)) => {
            assert_eq!(&reply[..2], &bytes[..2], "the id is the asker's");
            Message::from_vec(&reply).unwrap().metadata.response_code.to_string()
        }
        Err(Bad::Silence) => "silence".into(),
        Ok(_) => "ok".into(),
    };
    let good = bytes("web.", RecordType::A);
    assert_eq!(code(&good), "ok");
    assert_eq!(code(&good[..11]), "silence");
    assert_eq!(code(&good[..good.len() - 1]), "Form Error");
    let mut reply = good.clone();
    reply[2] |= 0x80;
    assert_eq!(code(&reply), "silence", "to answer answers would never end");
    let mut update = good.clone();
    update[2] |= 5 << 3;
    assert_eq!(code(&update), "Not Implemented");
    let mut two = question("web.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("db.").unwrap(), RecordType::A));
    assert_eq!(code(&two.to_vec().unwrap()), "Form Error");
    let mut none = good.clone();
    none[5] = 0;
    assert_eq!(code(&none[..12]), "Form Error");
    // A name that points to itself.
    let looped = [&good[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
    assert_eq!(code(&looped), "Form Error");
}

#[test]
fn an_answer_belongs_to_its_question() {
    let question = bytes("example.com.", RecordType::A);
    let good = asked("EXAMPLE.com.", RecordType::A).answer(&addresses(1), |_| {});
    assert!(answers(&question, &good));
    assert!(!answers(&question, &question), "it is a question itself");
    assert!(!answers(&question, &asked("example.org.", RecordType::A).answer(&addresses(1), |_| {})));
    assert!(!answers(&question, &asked("example.com.", RecordType::AAAA).answer(&addresses(1), |_| {})));
    assert!(!answers(&question, b"nonsense"));
    assert!(answers(&question, &refusal(7, 0, ResponseCode::FormErr)), "without the question, as it could not be read");
    assert!(is_failure(&refusal(7, 0, ResponseCode::Refused)) && is_failure(b"short") && !is_failure(&good));
    assert_eq!((id(&with_id(good, 0xabcd)), id(b"x"), with_id(vec![1], 9)), (0xabcd, 0, vec![1]));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..600), tcp in any::<bool>()) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        match Asked::read(&bytes, transport) {
            Ok(asked) => {
                asked.question();
                let reply = asked.answer(&addresses(100), |_| {});
                prop_assert!(reply.len() <= asked.limit());
            }
            Err(Bad::Refusal(reply)) => prop_assert_eq!(reply.len(), 12),
            Err(Bad::Silence) => {}
        }
        answers(&bytes, &bytes);
    }

    /// A good question in which some bytes were changed.
    #[test]
    fn no_change_of_a_question_is_too_strange(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = bytes("tasks.web.", RecordType::A);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(asked) = Asked::read(&bytes, Transport::Udp) {
            asked.question();
            let reply = asked.answer(&addresses(100), |_| {});
            prop_assert!(reply.len() <= asked.limit());
            prop_assert_eq!(id(&reply), id(&bytes));
        }
    }
}
