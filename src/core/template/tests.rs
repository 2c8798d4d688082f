//! Templates in, texts and sentences out. The sentences are Go's.

use proptest::prelude::*;

use super::*;
use crate::model::StringMap;

const STEPS: usize = 100_000;

struct Echo;

impl Functions for Echo {
    fn names(&self) -> &[&str] {
        &["echo"]
    }

    fn call(&self, _: &str, argument: &str) -> Result<Text, String> {
        if argument == "bad" { Err("it is bad".into()) } else { Ok(Text::new(format!("<{argument}>"))) }
    }
}

fn context() -> Value {
    let labels: StringMap = [("a.b", "dotted"), ("tier", "front")].map(|(k, v)| (k.into(), v.into())).into();
    let service = vec![("ID", "id".into()), ("Name", "web".into()), ("Labels", Value::Map(labels.into()))];
    let service = Value::of("struct { ID string; Name string; Labels map[string]string }", service);
    Value::of("*template.Context", vec![("Service", service)])
}

fn expanded(text: &str) -> String {
    match expand(text, &context(), &Echo, &mut { STEPS }) {
        Ok(text) => text.to_string(),
        Err(error) => error.to_string(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(expanded(text), *wanted, "{text}");
    }
}

#[test]
fn fields_and_functions() {
    check(&[
        ("plain }} text", "plain }} text"),
        ("{{.Service.Name}}-{{ .Service.ID }}", "web-id"),
        ("{{$.Service.Name}}{{(.Service).Name}}", "webweb"),
        (r#"{{index .Service.Labels "a.b"}} {{.Service.Labels.tier}}"#, "dotted front"),
        (r#"{{index .Service.Labels "absent"}}|"#, "|"),
        (r#"{{join "-" .Service.Name "a" `b`}}"#, "web-a-b"),
        (r#"{{.Service.Name | printf "%s-%s" "x"}}"#, "x-web"),
        (r#"{{printf "%05d|%-4s|%q|%x|%.1s" 42 "a" "b" "c" "defg"}}"#, r#"00042|a   |"b"|63|d"#),
        (r#"{{printf "%d %s" "x"}}{{printf "a" 1}}"#, "%!d(string=x) %!s(MISSING)a%!(EXTRA int=1)"),
        (r#"{{print 1 2 "a" "b" 3}} {{println "x" 1}}"#, "1 2ab3 x 1\n"),
        (r#"{{len .Service.Name}}{{len .Service.Labels}} {{slice "abcd" 1 3}} {{index "a" 0}}"#, "32 bc 97"),
        (r#"{{html "<a&'b'>"}} {{js "it's"}} {{urlquery "a b/c"}}"#, r"&lt;a&amp;&#39;b&#39;&gt; it\'s a+b%2Fc"),
        ("{{true}} {{1_000}} {{0x10}} {{'a'}} {{1.50}} {{1e30}} {{-3}}", "true 1000 16 97 1.5 1e+30 -3"),
        (r#"{{echo "x"}} {{echo (echo .Service.Name)}} {{"y" | echo}}"#, "<x> <<web>> <y>"),
        ("{{.Service}}", "{id web map[a.b:dotted tier:front]}"),
        (r#"{{"\x41\u00e9\n\""}}{{`\n`}}"#, "A\u{e9}\n\"\\n"),
    ]);
}

#[test]
fn decisions() {
    check(&[
        ("{{if .Service.Name}}a{{else}}b{{end}}", "a"),
        (r#"{{if eq .Service.Name "db"}}a{{else if eq .Service.Name "x" "web"}}b{{else}}c{{end}}"#, "b"),
        (r#"{{if and .Service.Name (ne .Service.ID "id")}}a{{end}}."#, "."),
        (r#"{{or "" .Service.Name}} {{and 1 "x"}} {{not 0}}"#, "web x true"),
        (r#"{{or .Service.Name (echo "bad")}}"#, "web"),
        ("{{lt 1 2}}{{ge \"b\" \"a\"}}{{gt 1.5 2.5}}", "truetruefalse"),
        (r#"{{with index .Service.Labels "tier"}}[{{.}}]{{end}}{{with ""}}x{{else}}y{{end}}"#, "[front]y"),
        ("{{with .Service}}{{.Name}}{{$.Service.ID}}{{end}}", "webid"),
        ("{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}", "a.b=dotted;tier=front;"),
        ("{{range .Service.Labels}}{{.}} {{else}}none{{end}}", "dotted front "),
        ("{{range $i := 5}}{{if eq $i 3}}{{break}}{{end}}{{if eq $i 1}}{{continue}}{{end}}{{$i}}{{end}}", "02"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"),
    ]);
}

#[test]
fn white_space_and_comments() {
    check(&[
        ("a  {{- 1 -}}  b", "a1b"),
        ("a\n\t{{- .Service.Name}} b", "aweb b"),
        ("a {{/* b */}} c {{- /* d */ -}} e", "a  ce"),
        ("{{- 3}} {{ -3 }} {{3 -}} x", "3 -3 3x"),
        ("{{ \n .Service.Name \n }}", "web"),
    ]);
}

#[test]
fn what_cannot_be_parsed_is_refused_in_gos_words() {
    check(&[
        ("{{.Service.Name", "template: expansion:1: unclosed action"),
        ("a\n{{.Service.Name\n\n", "template: expansion:4: unclosed action started at expansion:2"),
        ("{{}}", "template: expansion:1: missing value for command"),
        ("{{nope}}", "template: expansion:1: function \"nope\" not defined"),
        ("{{\"a}}", "template: expansion:1: unterminated quoted string"),
        ("{{`a}}", "template: expansion:1: unterminated raw quoted string"),
        ("{{/* a }}", "template: expansion:1: unclosed comment"),
        ("{{if true}}x", "template: expansion:1: unexpected EOF"),
        ("{{end}}", "template: expansion:1: unexpected {{end}}"),
        ("{{else}}", "template: expansion:1: unexpected {{else}}"),
        ("{{if true}}{{else}}{{else}}{{end}}", "template: expansion:1: expected end; found {{else}}"),
        ("{{if}}{{end}}", "template: expansion:1: missing value for if"),
        ("{{$x}}", "template: expansion:1: undefined variable \"$x\""),
        ("{{break}}", "template: expansion:1: {{break}} outside {{range}}"),
        ("{{.Service.Name | 1}}", "template: expansion:1: non executable command in pipeline stage 2"),
        ("{{(1}}", "template: expansion:1: unclosed left paren"),
        ("{{1)}}", "template: expansion:1: unexpected right paren"),
        ("{{.a!}}", "template: expansion:1: bad character U+0021 '!'"),
        ("{{1a}}", "template: expansion:1: bad number syntax: \"1a\""),
        ("{{99999999999999999999}}", "template: expansion:1: integer overflow: \"99999999999999999999\""),
        ("{{\"a\".b}}", "template: expansion:1: unexpected . after term \"\\\"a\\\"\""),
        ("{{if true}}{{end extra}}", "template: expansion:1: unexpected \"extra\" in end"),
        ("{{.Service , .Service}}", "template: expansion:1: unexpected \",\" in operand"),
        (
            "{{define \"x\"}}{{end}}",
            "template: expansion:1: {{define}} is for templates of several files, and not honoured by gam",
        ),
    ]);
}

#[test]
fn what_cannot_be_executed_is_refused_in_gos_words() {
    let at = |place: &str, context: &str, why: &str| {
        format!("template: expansion:{place}: executing \"expansion\" at <{context}>: {why}")
    };
    for (text, wanted) in [
        ("{{.Nope}}", at("1:2", ".Nope", "can't evaluate field Nope in type *template.Context")),
        ("x\n {{.Nope}}", at("2:3", ".Nope", "can't evaluate field Nope in type *template.Context")),
        (
            "{{.Service.Nope}}",
            at(
                "1:10",
                ".Service.Nope",
                "can't evaluate field Nope in type struct { ID string; Name string; Labels map[string]string }",
            ),
        ),
        ("{{.Service.Labels.x}}", at("1:10", ".Service.Labels.x", "map has no entry for key \"x\"")),
        ("{{.Service.Name.x}}", at("1:10", ".Service.Name.x", "can't evaluate field x in type string")),
        ("{{len 3}}", at("1:2", "len 3", "error calling len: len of type int")),
        ("{{len}}", at("1:2", "len", "wrong number of args for len: want 1 got 0")),
        ("{{index}}", at("1:2", "index", "wrong number of args for index: want at least 1 got 0")),
        ("{{join \"-\" 1}}", at("1:11", "1", "expected string; found 1")),
        ("{{echo \"bad\"}}", at("1:2", "echo \"bad\"", "error calling echo: it is bad")),
        ("{{1 2}}", at("1:2", "1", "can't give argument to non-function 1")),
        ("{{nil}}", at("1:2", "nil", "nil is not a command")),
        (
            "{{eq 1 \"a\"}}",
            at("1:2", "eq 1 \"a\"", "error calling eq: incompatible types for comparison: int and string"),
        ),
        ("{{.Service.Name 1}}", at("1:10", ".Service.Name", "Name has arguments but cannot be invoked as function")),
        ("{{range \"a\"}}{{end}}", at("1:8", "\"a\"", "range can't iterate over a")),
        (
            "{{index .Service.Labels 1}}",
            at("1:2", "index .Service.Labels 1", "error calling index: value has type int; should be string"),
        ),
    ] {
        assert_eq!(expanded(text), wanted, "{text}");
    }
}

#[test]
fn no_template_runs_for_ever_or_makes_too_much() {
    for text in [
        "{{range 9000000000000}}x{{end}}",
        "{{range 100000}}{{range 100000}}{{end}}{{end}}",
        "{{range 100000}}{{$x := printf \"%1000000d\" 1}}{{end}}",
        "{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 100000}}{{$x = print $x $x}}{{end}}",
    ] {
        assert!(expanded(text).contains("does too much"), "{text}");
    }
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(expanded(&deep), "template: expansion:1: max expression depth exceeded");
    assert!(expanded(&"{{if 1}}".repeat(5000)).contains("max expression depth exceeded"));
}

#[test]
fn an_error_can_be_told_without_a_word_of_the_template() {
    for text in ["{{hunter2}}", "{{index \"hunter2\" 99}}", "{{.hunter2}}", "{{\"hunter2}}"] {
        let error = expand(text, &context(), &Echo, &mut { STEPS }).unwrap_err();
        assert!(!error.discreet().contains("hunter2"), "{}", error.discreet());
        assert!(error.discreet().starts_with("template: expansion:1"), "{}", error.discreet());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_it_down(
        parts in prop::collection::vec(
            prop_oneof![
                Just("{{"), Just("}}"), Just("{{- "), Just(" -}}"), Just("if "), Just("else "), Just("end"), Just("range "),
                Just("with "), Just(".Service"), Just(".Labels"), Just("$x"), Just(":="), Just("="), Just("|"), Just("("),
                Just(")"), Just("\"a\""), Just("`"), Just("'"), Just("1"), Just("0x"), Just("nil "), Just("index "),
                Just("printf "), Just("%*d"), Just("/*"), Just("*/"), Just("\n"), Just(" "), Just(","), Just("\u{e9}"),
                Just("."), Just("-"), Just("break"), Just("slice "), Just("eq "),
            ],
            0..24,
        )
    ) {
        let text = parts.concat();
        let _ = expand(&text, &context(), &Echo, &mut { STEPS });
        let inside = format!("{{{{{text}}}}}");
        let _ = expand(&inside, &context(), &Echo, &mut { STEPS });
    }

    #[test]
    fn what_is_no_template_stays_as_it_is(text in "[^{]*") {
        prop_assert_eq!(expanded(&text), text);
    }
}
