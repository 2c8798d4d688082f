//! Secrets and configs that are templates: `{{ secret "name" }}`, `{{ config "name" }}`, `{{ env "NAME" }}`, and what the
//! templates of a service know, too (swarmkit `template/context.go`, `PayloadContext`).
//!
//! Of the node Docker tells such a template the id alone; here it has the host name and platform that its documentation
//! promises.
//!
//! Expanded on the node, in memory, just before the task's container starts. No word of a secret gets into an error:
//! where Go shows the part of the template that is wrong, and that part is of a secret or a secret was put in before, only
//! its place is told. What is no value is told always: the name of a target that the service lacks, where the template has
//! it in so many words.

use std::cell::{Cell, RefCell};

use zeroize::Zeroizing;

use super::template::{context, expand_for};
use super::{Host, files};
use crate::model::{ContainerSpec, Driver, FileTarget, Task};
use crate::template::{Error, Functions, Text, expand};

/// Steps that one of them may take ([`expand`]). A megabyte with an action in every line stays far below.
const STEPS: usize = 1_000_000;

/// What the values of a task's secrets and configs are; `None` where one was removed.
pub trait Values {
    /// The value of the secret of this id, in a buffer of its own that is cleared.
    fn secret(&self, id: &str) -> Option<Zeroizing<Vec<u8>>>;
    /// The value of the config of this id.
    fn config(&self, id: &str) -> Option<&[u8]>;
}

/// What becomes of a value: as it is, unless it is a template.
///
/// The value is cleared when it is let go, and so is what it was made of. The error is Docker's sentence, without what it was that could not be expanded.
pub fn expanded(
    source: files::Source<'_>,
    value: &[u8],
    templating: Option<&Driver>,
    task: &Task,
    host: &Host,
    values: &dyn Values,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let Some(driver) = templating else { return Ok(Zeroizing::new(value.to_vec())) };
    if driver.name != "golang" {
        return Err("unrecognized template type".into());
    }
    // What is no text here is a text of bytes to Docker; it can hold no template that anybody could have meant.
    let text = std::str::from_utf8(value).map_err(|_| "a template must be UTF-8".to_owned())?;
    let Some(spec) = &task.spec().container_spec else { return Err("task is not a container".into()) };
    // Docker asks the container for its environment, where templates have been expanded.
    let spec = &expand_for(spec, task, host).map_err(|error| error.to_string())?;
    let is_secret = matches!(source, files::Source::Secret(_));
    let lookup = Lookup { spec, values, is_sensitive: Cell::new(is_secret), lacking: RefCell::default() };
    let expanded = expand(text, &context(task, host, "*template.PayloadContext"), &lookup, &mut { STEPS });
    let is_sensitive = lookup.is_sensitive.get();
    match expanded {
        Ok(mut text) => Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes())),
        Err(error) if is_sensitive && !lookup.is_about_lacking(&error) => Err(error.discreet()),
        Err(error) => Err(error.to_string()),
    }
}

struct Lookup<'l> {
    spec: &'l ContainerSpec,
    values: &'l dyn Values,
    /// Whether what is expanded, or an error about it, may hold a secret.
    is_sensitive: Cell<bool>,
    /// The function and the target that was asked for last and that the service lacks.
    lacking: RefCell<Option<(&'static str, String)>>,
}

impl Functions for Lookup<'_> {
    fn names(&self) -> &[&str] {
        &["secret", "config", "env"]
    }

    fn call(&self, name: &str, argument: &str) -> Result<Text, String> {
        let is_target = |file: &Option<FileTarget>| file.as_ref().is_some_and(|file| file.name == argument);
        let (kind, id, value) = match name {
            "secret" => {
                let wanted = self.spec.secrets.iter().find(|wanted| is_target(&wanted.file));
                let id = wanted.map(|wanted| wanted.secret_id.as_str());
                self.is_sensitive.set(true);
                ("secret", id, id.and_then(|id| self.values.secret(id)))
            }
            "config" => {
                let wanted = self.spec.configs.iter().find(|wanted| is_target(&wanted.file));
                let id = wanted.map(|wanted| wanted.config_id.as_str());
                let value = id.and_then(|id| self.values.config(id));
                ("config", id, value.map(|value| Zeroizing::new(value.to_vec())))
            }
            _ => return Ok(Text::new(self.variable(argument))),
        };
        let id = id.ok_or_else(|| {
            *self.lacking.borrow_mut() = Some((kind, argument.to_owned()));
            not_found(kind, argument)
        })?;
        let value = value.ok_or_else(|| format!("{kind} {id} not found"))?;
        let text = std::str::from_utf8(&value).map_err(|_| format!("{kind} {argument} is not UTF-8"))?;
        Ok(Text::new(text.to_owned()))
    }
}

fn not_found(kind: &str, target: &str) -> String {
    format!("{kind} target {target} not found")
}

impl Lookup<'_> {
    /// Whether an error says that a target is lacking, and says nothing else. Had its name been made of a value, the part of
    /// the template that stands in the error would not be that name.
    fn is_about_lacking(&self, error: &Error) -> bool {
        let lacking = self.lacking.borrow();
        let Some((kind, target)) = &*lacking else { return false };
        let sentence = not_found(kind, target);
        ["\"", "`"].iter().any(|quote| {
            let node = format!("{kind} {quote}{target}{quote}");
            error.says(&format!("executing \"expansion\" at <{node}>: error calling {kind}: {sentence}"))
        })
    }

    /// A variable of the service's, or nothing; those of the image are not known.
    fn variable(&self, name: &str) -> String {
        let variables = self.spec.env.iter().filter_map(|entry| entry.split_once('='));
        let mut found = variables.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        found.next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::files::Source;
    use super::*;
    use crate::container::tests::{host, task};
    use crate::model::ServiceSpec;

    struct Held;

    impl Values for Held {
        fn secret(&self, id: &str) -> Option<Zeroizing<Vec<u8>>> {
            let value: &[u8] = match id {
                "s1" => b"hunter2",
                "s2" => b"\xff\xfe",
                _ => return None,
            };
            Some(Zeroizing::new(value.to_vec()))
        }

        fn config(&self, id: &str) -> Option<&[u8]> {
            (id == "c1").then_some(b"plain {{.Service.Name}}")
        }
    }

    fn using() -> Task {
        let secret = |name: &str, id: &str| json!({ "File": { "Name": name }, "SecretID": id, "SecretName": "s" });
        let config = |name: &str, id: &str| json!({ "File": { "Name": name }, "ConfigID": id, "ConfigName": "c" });
        let spec: ServiceSpec = crate::json::from_value(&json!({
            "Name": "web",
            "TaskTemplate": { "ContainerSpec": {
                "Image": "busybox",
                "Env": ["A=1=2", "B=on {{.Node.Hostname}}", "C"],
                "Secrets": [secret("key", "s1"), secret("bytes", "s2"), secret("gone", "s3")],
                "Configs": [config("/etc/c", "c1")],
            } },
        }))
        .unwrap();
        task(spec)
    }

    fn golang() -> Driver {
        Driver { name: "golang".into(), ..Driver::default() }
    }

    fn of(source: Source<'_>, text: &str) -> Result<String, String> {
        let made = expanded(source, text.as_bytes(), Some(&golang()), &using(), &host(), &Held);
        made.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn secrets_configs_and_variables_are_put_in() {
        for (text, wanted) in [
            (r#"p={{ secret "key" }}"#, "p=hunter2"),
            // What is put in is not expanded itself.
            (r#"{{ config "/etc/c" }}"#, "plain {{.Service.Name}}"),
            (r#"{{ env "A" }} {{ env "B" }} [{{ env "C" }}{{ env "nope" }}]"#, "1=2 on host1 []"),
            (r#"{{ .Service.Name }}.{{ .Task.Slot }} {{ "key" | secret | len }}"#, "web.1 7"),
        ] {
            for source in [Source::Secret("x"), Source::Config("x")] {
                assert_eq!(of(source, text).as_deref(), Ok(wanted), "{text}");
            }
        }
        let raw = b"{{ secret \"key\" }} \xff";
        let plain = expanded(Source::Secret("x"), raw, None, &using(), &host(), &Held);
        assert_eq!(plain.unwrap().as_slice(), raw.as_slice(), "no template without a driver");
    }

    #[test]
    fn what_is_wrong_is_told_in_gos_words() {
        for (text, why) in [
            ("{{ .Nope }}", "can't evaluate field Nope in type *template.PayloadContext"),
            ("{{ config \"nope\" }}", "error calling config: config target nope not found"),
            ("{{ config 1 }}", "expected string; found 1"),
        ] {
            let error = of(Source::Config("x"), text).unwrap_err();
            assert!(error.starts_with("template: expansion:1:") && error.ends_with(why), "{error}");
        }
        let other = Driver { name: "other".into(), ..Driver::default() };
        let refused = expanded(Source::Config("x"), b"a", Some(&other), &using(), &host(), &Held);
        assert_eq!(refused.unwrap_err(), "unrecognized template type");
        assert!(expanded(Source::Config("x"), b"\xff", Some(&golang()), &using(), &host(), &Held).is_err());
        for text in ["{{ secret \"gone\" }}", "{{ secret \"bytes\" }}", "{{ secret \"nope\" }}"] {
            assert!(of(Source::Config("x"), text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_that_the_service_lacks_is_named() {
        for (text, node, why) in [
            ("{{ secret \"nope\" }}", "secret \"nope\"", "error calling secret: secret target nope not found"),
            ("{{ config `nope` }}", "config `nope`", "error calling config: config target nope not found"),
            (
                "{{ secret \"key\" }}{{ secret \"nope\" }}",
                "secret \"nope\"",
                "error calling secret: secret target nope not found",
            ),
        ] {
            let sentence = format!("executing \"expansion\" at <{node}>: {why}");
            for source in [Source::Secret("x"), Source::Config("x")] {
                let error = of(source, text).unwrap_err();
                assert!(error.starts_with("template: expansion:1:") && error.ends_with(&sentence), "{error}");
            }
        }
    }

    #[test]
    fn no_error_holds_a_word_of_a_secret() {
        for (source, text) in [
            (Source::Secret("x"), "{{hunter2}}"),
            (Source::Secret("x"), "{{ index \"hunter2\" 99 }}"),
            (Source::Secret("x"), "hunter2 {{"),
            (Source::Config("x"), "{{ secret \"key\" | config }}"),
            (Source::Config("x"), "{{ range secret \"key\" }}{{ end }}"),
        ] {
            let error = of(source, text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
