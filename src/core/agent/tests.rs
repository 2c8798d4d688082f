use super::*;
use crate::container::tests::{host, task};
use crate::model::{Attachment, ContainerSpec, Parting, PortConfig, ServiceSpec};

fn web(state: TaskState, desired: TaskState) -> Task {
    let mut spec = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
    spec.task_template.container_spec = Some(ContainerSpec { image: "busybox".into(), ..ContainerSpec::default() });
    let mut task = task(spec);
    task.desired = desired;
    task.status.state = state;
    task.status.message = "before".into();
    task
}

fn present(phase: Phase, health: Health, exit_code: i64) -> Sight {
    let pid = if phase == Phase::Running { 42 } else { 0 };
    let container = Container {
        id: "c1".into(),
        phase,
        health,
        pid,
        exit_code,
        error: String::new(),
        ports: Vec::new(),
        macs: Default::default(),
        endpoints: Default::default(),
    };
    Sight { container: Seen::Present(container), ..Sight::default() }
}

fn absent() -> Sight {
    Sight { container: Seen::Absent, ..Sight::default() }
}

/// An action in a few words: `running "started"`, `failed "starting": No such container …`, `stop`.
fn print(action: &Action) -> String {
    match action {
        Action::Report(status) if status.err.is_empty() => format!("{} {:?}", status.state, status.message),
        Action::Report(status) => format!("{} {:?}: {}", status.state, status.message, status.err),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn next(state: TaskState, desired: TaskState, sight: &Sight) -> String {
    print(&step(&web(state, desired), sight, &host(), Timestamp(5)))
}

#[test]
fn a_task_goes_up_one_step_at_a_time() {
    use TaskState::*;
    let unknown = Sight::default();
    let created = present(Phase::Created, Health::None, 0);
    let running = present(Phase::Running, Health::None, 0);
    for (state, sight, action) in [
        (Assigned, &unknown, "accepted \"accepted\""),
        (Accepted, &unknown, "preparing \"preparing\""),
        (Preparing, &unknown, "look"),
        (Preparing, &absent(), "prepare"),
        (Preparing, &created, "ready \"prepared\""),
        (Preparing, &running, "ready \"prepared\""),
        (Ready, &created, "starting \"starting\""),
        (Starting, &unknown, "look"),
        (Starting, &created, "start"),
        (Starting, &running, "running \"started\""),
        (Running, &running, "rest"),
        (Running, &unknown, "look"),
    ] {
        assert_eq!(next(state, Running, sight), action, "{state} {sight:?}");
    }
    assert_eq!(next(Ready, Ready, &created), "rest", "a delayed restart waits with its container made");
    assert_eq!(next(Preparing, Ready, &absent()), "prepare");
    assert_eq!(next(Running, Ready, &running), "rest");
}

#[test]
fn ends_are_told_apart() {
    use TaskState::*;
    let sick = Sight { sick: true, ..present(Phase::Exited, Health::Unhealthy, 137) };
    for (state, sight, action) in [
        (Running, present(Phase::Exited, Health::None, 0), "complete \"finished\""),
        (Running, present(Phase::Exited, Health::None, 3), "failed \"before\": task: non-zero exit (3)"),
        (Running, sick.clone(), "failed \"before\": task: non-zero exit (137): dockerexec: unhealthy container"),
        (Starting, sick, "failed \"before\": task: non-zero exit (137): dockerexec: unhealthy container"),
        (Starting, present(Phase::Exited, Health::None, 3), "running \"started\""),
        (Starting, present(Phase::Exited, Health::Unhealthy, 3), "failed \"before\": task: non-zero exit (3)"),
        (Starting, present(Phase::Exited, Health::Unhealthy, 0), "running \"started\""),
        (Running, absent(), "failed \"before\": No such container: web.1.0000000000000000000000007"),
        (Running, Sight { died: Some(137), ..absent() }, "failed \"before\": task: non-zero exit (137)"),
        (Running, Sight { died: Some(0), ..absent() }, "complete \"finished\""),
        (
            Running,
            Sight { died: Some(143), ..present(Phase::Running, Health::None, 0) },
            "failed \"before\": task: non-zero exit (143)",
        ),
        (Starting, absent(), "failed \"before\": No such container: web.1.0000000000000000000000007"),
    ] {
        assert_eq!(next(state, Running, &sight), action, "{state} {sight:?}");
    }
}

#[test]
fn health_decides_when_there_is_a_check() {
    use TaskState::*;
    for (state, health, action) in [
        (Starting, Health::Starting, "rest"),
        (Starting, Health::Healthy, "running \"started\""),
        (Starting, Health::Unhealthy, "stop"),
        (Running, Health::Healthy, "rest"),
        (Running, Health::Unhealthy, "stop"),
    ] {
        assert_eq!(next(state, Running, &present(Phase::Running, health, 0)), action, "{state} {health:?}");
    }
    let recovered = Sight { sick: true, ..present(Phase::Running, Health::Healthy, 0) };
    assert_eq!(next(Starting, Running, &recovered), "stop", "Docker stops it for one bad moment");
    assert_eq!(next(Running, Running, &recovered), "stop");
}

#[test]
fn what_is_not_wanted_is_stopped() {
    use TaskState::*;
    for desired in [Shutdown, Remove] {
        for (state, sight, action) in [
            (Assigned, Sight::default(), "look"),
            (Assigned, absent(), "shutdown \"shutdown\""),
            (Preparing, absent(), "shutdown \"shutdown\""),
            (Ready, present(Phase::Created, Health::None, 0), "shutdown \"shutdown\""),
            (Starting, present(Phase::Running, Health::Starting, 0), "stop"),
            (Running, Sight::default(), "look"),
            (Running, present(Phase::Running, Health::None, 0), "stop"),
            (Running, present(Phase::Exited, Health::None, 137), "shutdown \"shutdown\""),
            (Failed, present(Phase::Exited, Health::None, 1), "rest"),
            (Shutdown, present(Phase::Running, Health::None, 0), "stop"),
            (Failed, Sight::default(), "look"),
            (Failed, absent(), "rest"),
        ] {
            assert_eq!(next(state, desired, &sight), action, "{state} {sight:?}");
        }
    }
    assert_eq!(next(Failed, Running, &present(Phase::Running, Health::None, 0)), "stop");
}

#[test]
fn leftovers_are_stopped_then_removed() {
    for (sight, action) in [
        (Sight::default(), Action::Look),
        (present(Phase::Running, Health::None, 0), Action::Stop),
        (present(Phase::Exited, Health::None, 0), Action::Remove),
        (present(Phase::Created, Health::None, 0), Action::Remove),
        (absent(), Action::Done),
    ] {
        assert_eq!(retire(&sight), action);
    }
}

#[test]
fn a_failure_is_a_rejection_before_the_start() {
    let rejected =
        failed(&web(TaskState::Preparing, TaskState::Running), &absent(), "No such image: x:latest", Timestamp(5));
    assert_eq!((rejected.state, rejected.message.as_str()), (TaskState::Rejected, "before"));
    assert_eq!(rejected.container, Some(ContainerStatus::default()), "Docker shows an empty container status");
    let failed = failed(
        &web(TaskState::Starting, TaskState::Running),
        &present(Phase::Created, Health::None, 127),
        "starting container failed: x",
        Timestamp(5),
    );
    assert_eq!(failed.state, TaskState::Failed);
    assert_eq!(failed.container.map(|container| (container.id, container.exit_code)), Some(("c1".into(), 127)));
}

#[test]
fn a_spec_that_cannot_run_is_rejected_at_once() {
    let mut task = web(TaskState::Assigned, TaskState::Running);
    task.origin = ServiceSpec::default().into();
    assert_eq!(
        print(&step(&task, &Sight::default(), &host(), Timestamp(5))),
        "rejected \"resolving controller failed\": exec: unsupported runtime"
    );
}

#[test]
fn the_container_shows_from_starting_on() {
    let created = present(Phase::Created, Health::None, 0);
    let at = |state| match step(&web(state, TaskState::Running), &created, &host(), Timestamp(5)) {
        Action::Report(status) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(at(TaskState::Preparing).container, None);
    let starting = at(TaskState::Ready);
    assert_eq!(starting.timestamp, Timestamp(5));
    assert_eq!(starting.container.unwrap().id, "c1");
}

#[test]
fn reads_what_dockerd_says() {
    let read = |body: &str| Inspection::parse(body.as_bytes()).unwrap().into_container();
    let container = read(
        r#"{"Id":"c1","State":{"Status":"running","Pid":42,"ExitCode":0,"Error":"","Health":{"Status":"starting"}},
            "Config":{"Labels":{"a":"b"},"Healthcheck":{"Test":["CMD","true"]}},"NetworkSettings":{"Ports":{"80/tcp":null,
            "81/udp":[{"HostIp":"0.0.0.0","HostPort":"8181"},{"HostIp":"::","HostPort":"8181"}]},
            "Networks":{"net":{"IPAddress":"10.0.1.3","MacAddress":"02:42:0a:00:01:03","EndpointID":"e5"},"off":{"MacAddress":""}}}}"#,
    );
    let port = PortConfig {
        name: String::new(),
        protocol: "udp".into(),
        target_port: 81,
        published_port: 8181,
        publish_mode: "host".into(),
    };
    assert_eq!(
        container,
        Container {
            id: "c1".into(),
            phase: Phase::Running,
            health: Health::Starting,
            pid: 42,
            exit_code: 0,
            error: String::new(),
            ports: vec![port.clone(), port],
            macs: [([10, 0, 1, 3].into(), "02:42:0a:00:01:03".to_owned())].into(),
            endpoints: [([10, 0, 1, 3].into(), "e5".to_owned())].into(),
        }
    );
    for (status, phase) in [
        ("created", Phase::Created),
        ("paused", Phase::Running),
        ("restarting", Phase::Running),
        ("exited", Phase::Exited),
        ("removing", Phase::Exited),
        ("dead", Phase::Exited),
    ] {
        let body = format!(r#"{{"Id":"c","State":{{"Status":"{status}","Health":null}},"Config":{{"Labels":null}}}}"#);
        assert_eq!((read(&body).phase, read(&body).health), (phase, Health::None), "{status}");
    }
    let disabled = r#"{"State":{"Status":"running","Health":null},"Config":{"Healthcheck":{"Test":["NONE"]}}}"#;
    assert_eq!(read(disabled).health, Health::None);
}

#[test]
fn a_task_on_an_overlay_runs_only_once_it_can_use_it() {
    let mut task = web(TaskState::Starting, TaskState::Running);
    let running = present(Phase::Running, Health::None, 0);
    let next = |task: &Task, sight: &Sight| print(&step(task, sight, &host(), Timestamp(5)));
    task.networks = vec![Attachment { network: Some(1.into()), ..Attachment::default() }];
    assert_eq!(next(&task, &running), "running \"started\"", "a predefined network is ready by itself");
    task.networks[0].addresses = vec!["10.0.1.2/24".into()];
    assert_eq!(next(&task, &running), "settle");
    assert_eq!(next(&task, &present(Phase::Running, Health::Starting, 0)), "rest");
    assert_eq!(next(&task, &Sight { settled: true, ..running }), "running \"started\"");
}

#[test]
fn an_announced_task_is_held_then_drained_then_stopped() {
    let mut task = web(TaskState::Running, TaskState::Shutdown);
    let running = present(Phase::Running, Health::None, 0);
    let next = |task: &Task, sight: &Sight| print(&step(task, sight, &host(), Timestamp(5)));
    assert_eq!(next(&task, &running), "stop", "nobody was sent to it");
    let parting = Parting { index: 7, at: Timestamp(4), released: false };
    task.parting = Some(parting);
    assert_eq!(next(&task, &running), "hold");
    let exited = present(Phase::Exited, Health::None, 0);
    assert_eq!(next(&task, &exited), "shutdown \"shutdown\"", "it ended by itself");
    assert_eq!(next(&task, &Sight { sick: true, ..running.clone() }), "stop");
    assert_eq!(next(&task, &Sight { unheard: true, ..running.clone() }), "drain");
    task.parting = Some(Parting { released: true, ..parting });
    assert_eq!(next(&task, &running), "drain");
    assert_eq!(next(&task, &Sight { drained: true, ..running }), "stop");
}

#[test]
fn an_error_is_told_in_bounded_length_and_steers_no_terminal() {
    assert_eq!(told("it\nis\u{1b}[31m\rso"), "it\nis [31m so");
    assert_eq!(told(&"x".repeat(MAX_ERROR)).len(), MAX_ERROR);
    let long = told(&"\u{e4}".repeat(MAX_ERROR));
    assert!(long.ends_with('\u{2026}') && long.len() <= MAX_ERROR + 3);
}
