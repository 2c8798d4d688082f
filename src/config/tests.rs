use clap::Parser as _;

use super::*;

fn settings(args: &[&str]) -> Result<Settings, ConfigError> {
    let cli = Cli::try_parse_from([&["gam"], args].concat()).expect("the command line parses");
    Settings::check(cli.options)
}

fn refusal(args: &[&str]) -> String {
    settings(args).expect_err("refused").to_string()
}

fn with_file(toml: &str, args: &[&str]) -> Result<Settings, ConfigError> {
    let path =
        std::env::temp_dir().join(format!("gam-config-{}-{:?}.toml", std::process::id(), std::thread::current().id()));
    std::fs::write(&path, toml).expect("a temporary file");
    let path_text = path.display().to_string();
    let cli = Cli::try_parse_from([&["gam", "--config-file", &path_text], args].concat()).expect("parses");
    let result = Settings::load(cli.options);
    std::fs::remove_file(&path).expect("the temporary file");
    result
}

#[test]
fn nothing_given_means_the_defaults() {
    let settings = settings(&[]).expect("valid");
    assert_eq!(settings.hosts, [Host::Unix("/run/gam/docker.sock".into())]);
    assert_eq!(settings.engine, Path::new("/var/run/docker.sock"));
    assert_eq!(settings.state_dir, Path::new("/var/lib/gam"));
    assert_eq!((settings.group.as_str(), settings.group_is_default), ("docker", true));
    assert_eq!(settings.tls, None);
}

#[test]
fn serve_and_plain_gam_take_the_same_flags_on_either_side() {
    let plain = settings(&["-H", "unix:///a", "-H", "unix:///b", "--log-format", "json"]).expect("valid");
    let before = settings(&["-H", "unix:///a", "-H", "unix:///b", "--log-format", "json", "serve"]).expect("valid");
    let after = settings(&["serve", "-H", "unix:///a", "--host=unix:///b", "--log-format=JSON"]).expect("valid");
    assert_eq!(plain, before);
    assert_eq!(plain, after);
    assert_eq!(plain.hosts.len(), 2);
}

#[test]
fn the_file_fills_what_flags_leave_open() {
    let toml =
        "host = [\"unix:///f1\", \"unix:///f2\"]\ngroup = \"wheel\"\nlog_level = \"debug\"\nstate_dir = \"/s\"\n";
    let from_file = with_file(toml, &[]).expect("valid");
    assert_eq!(from_file.hosts, [Host::Unix("/f1".into()), Host::Unix("/f2".into())]);
    assert_eq!((from_file.group.as_str(), from_file.group_is_default), ("wheel", false));
    assert_eq!(from_file.log_level, LogLevel::Debug);
    let both = with_file(toml, &["--host", "unix:///flag", "--log-level", "warn"]).expect("valid");
    assert_eq!(both.hosts, [Host::Unix("/flag".into())]);
    assert_eq!(both.log_level, LogLevel::Warn);
    assert_eq!(both.state_dir, Path::new("/s"));
    let one = with_file("host = \"unix:///one\"\n", &[]).expect("valid");
    assert_eq!(one.hosts, [Host::Unix("/one".into())]);
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_name_and_the_key() {
    let unknown = with_file("hots = \"unix:///x\"\n", &[]).expect_err("refused").to_string();
    assert!(unknown.contains("gam-config-") && unknown.contains("hots"), "{unknown}");
    for host in ["5", "[\"unix:///x\", 5]", "true", "{}"] {
        let wrong = with_file(&format!("group = \"docker\"\nhost = {host}\n"), &[]).expect_err("refused").to_string();
        assert!(wrong.contains("gam-config-") && wrong.contains("host = "), "{wrong}");
        assert!(wrong.contains("line 2") && wrong.contains("expected ") && !wrong.contains("untagged"), "{wrong}");
    }
    let missing = Cli::try_parse_from(["gam", "--config-file", "/nonexistent/gam.toml"]).expect("parses");
    let missing = Settings::load(missing.options).expect_err("refused").to_string();
    assert!(missing.starts_with("cannot read the configuration file /nonexistent/gam.toml"), "{missing}");
}

#[test]
fn a_default_file_that_is_not_there_is_no_error() {
    let file = file::read(None, Path::new("/nonexistent/gam.toml")).expect("fine");
    assert_eq!(Settings::check(file.under(Options::default())).expect("valid").group, "docker");
}

#[test]
fn plain_tcp_is_for_loopback_only() {
    for host in ["tcp://0.0.0.0:2375", "tcp://10.0.0.1:2375", "tcp://[::]:2375", "tcp://example.org:2375"] {
        assert!(refusal(&["-H", host]).contains("--tlsverify"), "{host}");
    }
    for host in ["tcp://127.0.0.1:2375", "tcp://[::1]:2375", "tcp://localhost:2375", "tcp://:2375"] {
        settings(&["-H", host]).unwrap_or_else(|error| panic!("{host}: {error}"));
    }
}

#[test]
fn tls_needs_all_its_files_and_its_switch() {
    let files = ["--tlscacert", "/ca", "--tlscert", "/cert", "--tlskey", "/key"];
    let all = settings(&[&["--tlsverify", "-H", "tcp://0.0.0.0"], &files[..]].concat()).expect("valid");
    assert_eq!(all.hosts, [Host::Tcp { host: "0.0.0.0".into(), port: 2376 }]);
    assert_eq!(all.tls, Some(TlsFiles { ca: "/ca".into(), cert: "/cert".into(), key: "/key".into() }));
    assert!(refusal(&["--tlsverify"]).contains("missing: --tlscacert"));
    assert!(refusal(&["--tlsverify", "--tlscacert", "/ca", "--tlscert", "/c"]).contains("missing: --tlskey"));
    assert!(refusal(&["--tlskey", "/key"]).contains("add --tlsverify"));
    assert!(refusal(&[&["--tlsverify=false"], &files[..]].concat()).contains("without --tlsverify"));
}

#[test]
fn hosts_that_cannot_work_are_refused_with_an_example() {
    assert!(refusal(&["-H", "/run/x.sock"]).contains("unix:///path"));
    assert!(refusal(&["-H", "npipe:////./pipe/x"]).contains("tcp://host:port"));
    assert!(refusal(&["-H", "unix://relative"]).contains("absolute path"));
    assert!(refusal(&["-H", &format!("unix:///{}", "x".repeat(107))]).contains("107 bytes"));
    assert!(refusal(&["-H", "tcp://127.0.0.1:99999"]).contains("host:port"));
    assert!(refusal(&["-H", "tcp://::1:2375"]).contains("host:port"));
    assert!(refusal(&["-H", "unix:///a", "-H", "unix:///a"]).contains("twice"));
    assert!(refusal(&["-H", "unix:///e", "--engine", "unix:///e"]).contains("dockerd's own socket"));
    assert!(refusal(&["--engine", "tcp://127.0.0.1:1"]).contains("unix socket only"));
    assert!(refusal(&["--state-dir", "state"]).contains("absolute"));
    let many: Vec<String> = (0..=MAX_HOSTS).map(|n| format!("--host=unix:///{n}")).collect();
    assert!(refusal(&many.iter().map(String::as_str).collect::<Vec<_>>()).contains("at most 16"));
}

#[test]
fn empty_variables_count_as_none() {
    let variables = |command: &clap::Command| -> Vec<String> {
        let names = command.get_arguments().filter_map(clap::Arg::get_env);
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let empty = |name: &str| name == "GAM_HOST" || name == "GAM_LOG_LEVEL";
    let all = variables(&Cli::command());
    let left: Vec<String> = all.iter().filter(|name| !empty(name)).cloned().collect();
    assert_eq!(left.len() + 2, all.len());
    assert_eq!(variables(&without_variables(Cli::command(), |name| name.to_str().is_some_and(empty))), left);
}

#[test]
fn hosts_are_listed_as_they_are_given() {
    let texts = "unix:///run/gam/docker.sock,tcp://127.0.0.1:2375";
    let hosts: Vec<Host> = texts.split(',').map(|text| Host::parse(text, false).expect("valid")).collect();
    assert_eq!(listed(&hosts), texts);
}

#[test]
fn a_host_prints_as_it_is_written() {
    for text in ["unix:///run/gam/docker.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:2376", "tcp://localhost:1"] {
        assert_eq!(Host::parse(text, false).expect("valid").to_string(), text);
    }
}
