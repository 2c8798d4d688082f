//! Every field of the specs has its row in `api-spec/fields.toml`, and the rows say what is so.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{self, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{NodeSpec, ServiceSpec, SwarmSpec};

/// Where the names of fields begin anew: each of these has a table of its own.
const ROOTS: [&str; 6] = ["ServiceSpec", "TaskSpec", "ContainerSpec", "EndpointSpec", "NodeSpec", "SwarmSpec"];

/// Feeds a type with nothing, and notes what it asks for.
#[derive(Clone)]
struct Tracer<'t> {
    path: String,
    found: &'t RefCell<BTreeSet<String>>,
}

impl Tracer<'_> {
    fn note(&self) {
        self.found.borrow_mut().insert(self.path.clone());
    }

    fn field(&self, name: &str) -> Self {
        Tracer { path: format!("{}.{name}", self.path), ..self.clone() }
    }
}

impl<'de> IntoDeserializer<'de> for Tracer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! values {
    ($($method:ident $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.note();
            visitor.$visit($value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        unreachable!("a type that no spec has yet, at {}", self.path)
    }

    values! {
        deserialize_bool visit_bool false;
        deserialize_i64 visit_i64 0;
        deserialize_u32 visit_u32 0;
        deserialize_u64 visit_u64 0;
        deserialize_f32 visit_f32 0.0;
        deserialize_str visit_str "";
        deserialize_string visit_str "";
        deserialize_bytes visit_str "";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::once(self)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note();
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = if name == "Spec" { "SwarmSpec" } else { name };
        let whole = if ROOTS.contains(&name) { Tracer { path: name.to_owned(), ..self } } else { self };
        if fields.is_empty() {
            whole.note();
        }
        let entries = fields.iter().map(|field| (*field, whole.field(field)));
        visitor.visit_map(MapDeserializer::new(entries))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f64 char byte_buf unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

/// The fields that the types know, each by its root and the way from there: `ContainerSpec.Mounts.Type`.
fn known() -> BTreeSet<String> {
    let found = RefCell::new(BTreeSet::new());
    let tracer = Tracer { path: String::new(), found: &found };
    ServiceSpec::deserialize(tracer.clone()).unwrap();
    NodeSpec::deserialize(tracer.clone()).unwrap();
    SwarmSpec::deserialize(tracer).unwrap();
    found.into_inner()
}

fn read(path: &str) -> Option<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).ok()
}

/// A row of `api-spec/fields.toml`.
struct Row {
    root: &'static str,
    field: String,
    row: toml::Table,
}

impl Row {
    fn get(&self, key: &str) -> Option<&str> {
        self.row.get(key).map(|value| value.as_str().expect("a text"))
    }

    fn must(&self, key: &str) -> &str {
        self.get(key).unwrap_or_else(|| panic!("{}.{} has no `{key}`", self.root, self.field))
    }

    fn last(&self) -> &str {
        self.field.rsplit('.').next().unwrap()
    }
}

fn rows() -> Vec<Row> {
    let document: toml::Table = read("api-spec/fields.toml").unwrap().parse().unwrap();
    assert_eq!(document.keys().filter(|root| !ROOTS.contains(&root.as_str())).count(), 0);
    let of = |root: &'static str| {
        let table = document[root].as_table().unwrap().clone();
        table.into_iter().map(move |(field, row)| Row { root, field, row: row.as_table().unwrap().clone() })
    };
    ROOTS.into_iter().flat_map(of).collect()
}

/// `StopGracePeriod` as the code names it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let after_small = at > 0 && !letters[at - 1].is_ascii_uppercase();
        let before_small = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && at > 0 && (after_small || before_small) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Letters and digits alone, so that `--limit-pids`, `PidsLimit` and `Pids` have something in common.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[test]
fn every_field_has_its_row() {
    let listed: BTreeSet<String> = rows().iter().map(|row| format!("{}.{}", row.root, row.field)).collect();
    let known = known();
    assert!(known.len() > 150, "{known:?}");
    assert_eq!(known.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "fields without a row");
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "rows without a field");
}

#[test]
fn every_row_names_a_source_and_a_case_that_know_the_field() {
    for row in rows() {
        let name = format!("{}.{}", row.root, row.field);
        let source = read(row.must("where")).unwrap_or_else(|| panic!("{name}: no {}", row.must("where")));
        let word = row.get("word").map_or_else(|| snake(row.last()), str::to_owned);
        assert!(source.contains(&word), "{name}: {} has no {word}", row.must("where"));
        match row.get("refused") {
            Some(sentence) => assert!(source.contains(sentence), "{name}: nobody says {sentence:?}"),
            None => assert!(!row.must("what").is_empty()),
        }
        let case = row.must("case");
        let script = read(&format!("compat-tests/cases/{case}.sh")).unwrap_or_else(|| panic!("{name}: no case {case}"));
        let golden = read(&format!("compat-tests/golden/{case}.txt"));
        let text = script + &golden.unwrap_or_else(|| panic!("{name}: {case} was not recorded"));
        let shows = match row.get("flag") {
            Some(flag) => text.contains(flag),
            None => plain(&text).contains(&plain(row.last())),
        };
        assert!(shows, "{name}: {case} does not show it");
        if row.get("since").is_some() {
            let gates = read("src/api/gates.rs").unwrap();
            let named = row.field.split('.').any(|part| gates.contains(&snake(part)));
            assert!(named, "{name}: src/api/gates.rs knows nothing of it");
        }
    }
}

#[test]
fn the_readable_table_is_that_of_the_rows() {
    let mut table = String::new();
    for root in ROOTS {
        table.push_str(&format!(
            "\n### {root}\n\n| field | what becomes of it | where | case |\n| --- | --- | --- | --- |\n"
        ));
        for row in rows().iter().filter(|row| row.root == root) {
            let refused = row.get("refused").map(|sentence| format!("refused: \"{sentence}\""));
            let what = refused.unwrap_or_else(|| row.must("what").to_owned());
            let since = row.get("since").map(|version| format!(" (since {version})")).unwrap_or_default();
            let path = row.must("where");
            table.push_str(&format!(
                "| `{}`{since} | {what} | [{}](../{path}) | {} |\n",
                row.field,
                path.trim_start_matches("src/"),
                row.must("case")
            ));
        }
    }
    let page = read("api-spec/README.md").unwrap();
    let shown = page.split("<!-- fields -->\n").nth(1).and_then(|rest| rest.split("\n<!-- /fields -->").next());
    assert!(shown == Some(table.trim_end()), "api-spec/README.md is stale; between its marks should be:\n{table}");
}
