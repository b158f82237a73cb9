//! Recovery of a unit of a real systemd, over its bus.

use std::{fs, sync::Arc, time::Duration};

use opsmedic::{
    ports::Ports,
    recovery::{
        Act, ActError, Action, Actuator, Context, Postcondition, Prepared, Probe,
        actions::{ALL, Settings},
    },
    types::{ids::OperationId, issue::IssueType},
};
use serde_json::Value;

use crate::support::{sandbox::Sandbox, skip::need, systemd::Systemd, wait_for, web::Web};

/// One unit of the shared systemd and a target that restarts it. Each of its starts adds a line to a file; it is well while another exists.
struct Shop {
    systemd: &'static Systemd,
    unit: String,
    sandbox: Sandbox,
    _service: Web,
}

impl Shop {
    /// `script` is what the unit runs once it has said that it started; `NAME` in all texts is its name.
    fn new(name: &str, script: &str, service: &str, unit: &str) -> Result<Self, String> {
        let systemd = Systemd::shared()?;
        let start = format!("ExecStart=/bin/sh -c 'echo started >>/run/NAME.starts; {script}'");
        let text = format!("[Unit]\n{unit}\n[Service]\n{start}\n{service}\n").replace("NAME", name);
        let file = format!("{name}.service");
        systemd.unit(&file, &text);
        let web = Web::well_while(systemd.path(&format!("/run/{name}.well")));
        let sandbox = Sandbox::new(&config(&web.url(), &file, &systemd.bus(), 20));
        Ok(Self { systemd, unit: file, sandbox, _service: web })
    }

    fn beside(&self, ending: &str) -> std::path::PathBuf {
        self.systemd.path(&format!("/run/{}.{ending}", self.unit.trim_end_matches(".service")))
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.beside("starts")).unwrap_or_default().lines().count()
    }

    fn shown(&self, property: &str) -> String {
        self.systemd.show(&self.unit)[property].clone()
    }

    fn systemctl(&self, verb: &str) -> String {
        self.systemd.systemctl(&[verb, &self.unit])
    }

    fn wait_until(&self, state: &str) {
        assert!(wait_for(Duration::from_secs(10), || self.shown("ActiveState") == state), "not {state}: {:?}", self.systemd.show(&self.unit));
    }

    fn plan(&self) -> Value {
        self.sandbox.opsmedic(["recover", "plan", "service_unavailable", "shop", "--json"]).json()
    }

    /// The operation, run to its end.
    fn recover(&self) -> Value {
        self.sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "x", "--json"]).json()
    }
}

fn actuator(unit: &str, bus: &str) -> Arc<dyn Actuator> {
    let kind = ALL.iter().find(|kind| kind.name() == "systemd").unwrap();
    let table = format!("{{ unit = \"{unit}\", bus = \"{bus}\", timeout_seconds = 20 }}");
    kind.build(Action::RestartService, Settings::parse(&table).unwrap()).unwrap()
}

fn config(url: &str, unit: &str, bus: &str, timeout_seconds: u32) -> String {
    format!(
        "[[targets]]\nname = \"shop\"\npolicy = \"auto\"\ncheck_cannot_see = [\"service_unavailable\"]\nsoak_seconds = 1\nverify_timeout_seconds = 4\n\
         [targets.check.application]\nurl = \"{url}\"\ntimeout_ms = 1000\n\
         [targets.actions.restart_service.systemd]\nunit = \"{unit}\"\nbus = \"{bus}\"\ntimeout_seconds = {timeout_seconds}\n"
    )
}

/// Serves until it is stopped.
const STEADY: &str = "touch /run/NAME.well; exec sleep 1000";

#[test]
fn a_unit_is_really_restarted() {
    let shop = need!(Shop::new("steady", STEADY, "", ""));
    shop.systemctl("start");
    let before = shop.systemd.show(&shop.unit);
    assert_eq!(before["ActiveState"], "active", "{before:?}");
    // The process runs on and no longer serves.
    fs::remove_file(shop.beside("well")).unwrap();

    let plan = shop.plan();
    assert!(plan.to_string().contains("RestartUnit(\\\"steady.service\\\", \\\"replace\\\")"), "{plan:#}");
    assert_eq!(shop.starts(), 1, "the plan acted");
    let operation = shop.recover();
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let after = shop.systemd.show(&shop.unit);
    assert_eq!(after["ActiveState"], "active", "{after:?}");
    assert_ne!(after["InvocationID"], before["InvocationID"]);
    assert_ne!(after["MainPID"], before["MainPID"]);
    assert!(operation["attempts"][0]["message"].as_str().unwrap().contains(&after["InvocationID"]), "{operation:#}");
    assert_eq!(shop.starts(), 2);
}

#[test]
fn a_unit_that_died_until_its_start_limit_is_reset_once_and_restarted() {
    // Restarted by itself it reports how it died; restarted by hand, that its limit was hit. Either way systemd refuses further starts.
    for (name, restart) in [("limited-by-itself", "Restart=on-failure\nRestartSec=50ms"), ("limited-by-hand", "Restart=no")] {
        let script = "test -e /run/NAME.mended || exit 1; touch /run/NAME.well; exec sleep 1000";
        let shop = need!(Shop::new(name, script, restart, "StartLimitBurst=3\nStartLimitIntervalSec=3600"));
        let limited = || shop.systemctl("start").contains("failed");
        assert!(wait_for(Duration::from_secs(10), limited), "the limit is not hit: {:?}", shop.systemd.show(&shop.unit));
        shop.wait_until("failed");
        let before = shop.starts();
        fs::write(shop.beside("mended"), "").unwrap();
        let said = shop.systemctl("restart");
        assert!(said.contains("failed") && shop.starts() == before, "systemd starts it in spite of the limit: {said}");

        let plan = shop.plan();
        assert!(plan.to_string().contains("ResetFailedUnit"), "the plan does not tell of the reset: {plan:#}");
        let operation = shop.recover();
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        assert!(operation["attempts"][0]["message"].as_str().unwrap().contains("reset once"), "{operation:#}");
        assert_eq!(shop.starts(), before + 1);
        assert_eq!(shop.shown("ActiveState"), "active");
    }
}

#[test]
fn a_unit_that_does_not_start_is_tried_once() {
    let shop = need!(Shop::new("broken", STEADY, "ExecStartPre=/bin/sh -c 'echo tried >>/run/NAME.starts; exit 1'", ""));
    fs::write(shop.beside("well"), "").unwrap();
    shop.systemctl("start");
    assert_eq!(shop.shown("ActiveState"), "failed");
    let operation = shop.recover();
    assert_eq!(operation["state"], "failed", "{operation:#}");
    assert!(operation["attempts"][0]["message"].as_str().unwrap().contains("ended as failed"), "{operation:#}");
    assert_eq!(shop.starts(), 2, "one start by hand, one by the recovery");
}

#[test]
fn a_unit_whose_new_process_dies_again_is_no_recovery() {
    let script = "touch /run/NAME.well; sleep 0.4; rm /run/NAME.well; exit 1";
    let shop = need!(Shop::new("dying", script, "", ""));
    shop.systemctl("start");
    shop.wait_until("failed");
    let operation = shop.recover();
    assert_eq!(operation["state"], "failed_verification", "{operation:#}");
    assert_eq!(shop.starts(), 2, "one start by hand, one by the recovery");
}

#[test]
fn what_is_no_exact_unit_is_refused_by_the_configuration() {
    let cases = [
        ("shop*.service", "a pattern"),
        ("*", "a pattern"),
        ("shop?.service", "a pattern"),
        ("sh[op].service", "a pattern"),
        ("shop", "ends in .service"),
        (".service", "ends in .service"),
        ("", "ends in .service"),
        ("reboot.target", "ends in .service"),
        ("user.slice", "ends in .service"),
        ("-shop.service", "not a unit name"),
        ("-.mount", "not a unit name"),
        ("a b.service", "not a unit name"),
        ("../shop.service", "not a unit name"),
        ("shop;true.service", "not a unit name"),
        ("sh\u{f6}p.service", "not a unit name"),
        ("shop@.service", "a template"),
    ];
    let bus = "unix:path=/nowhere";
    for (unit, why) in cases {
        let sandbox = Sandbox::new(&config("http://127.0.0.1:9/", unit, bus, 20));
        let run = sandbox.opsmedic(["recover", "plan", "service_unavailable", "shop"]);
        assert!(run.code != Some(0) && run.stderr.contains(why) && run.stderr.contains("unit is"), "{unit}: {run}");
    }
    for address in ["tcp:host=127.0.0.1,port=9", "unixexec:path=/bin/sh", "/run/dbus/system_bus_socket", "unix:path=relative", "unix:abstract=x", ""] {
        let run = Sandbox::new(&config("http://127.0.0.1:9/", "shop.service", address, 20)).opsmedic(["recover", "plan", "service_unavailable", "shop"]);
        assert!(run.code != Some(0) && run.stderr.contains("bus is not the address"), "{address}: {run}");
    }
    for seconds in [0, 3_601] {
        let run = Sandbox::new(&config("http://127.0.0.1:9/", "shop.service", bus, seconds)).opsmedic(["recover", "plan", "service_unavailable", "shop"]);
        assert!(run.code != Some(0) && run.stderr.contains("timeout_seconds is 1 to 3600"), "{seconds}: {run}");
    }
}

#[test]
fn without_a_bus_nothing_is_called() {
    let sandbox = Sandbox::new(&config("http://127.0.0.1:9/", "shop.service", "unix:path=/nowhere", 20));
    let plan = sandbox.opsmedic(["recover", "plan", "service_unavailable", "shop", "--json"]).json();
    assert!(plan.to_string().contains("the bus at unix:path=/nowhere cannot be reached"), "{plan:#}");
}

#[test]
fn a_unit_that_is_masked_or_missing_or_forbids_it_is_never_called() {
    let masked = need!(Shop::new("masked", STEADY, "", ""));
    std::os::unix::fs::symlink("/dev/null", masked.systemd.path("/etc/systemd/system/masked.service")).unwrap();
    let fixed = need!(Shop::new("by-others-only", STEADY, "", "RefuseManualStart=yes"));
    let once = need!(Shop::new("once", "true", "Type=oneshot", ""));
    let missing = need!(Shop::new("missing", STEADY, "", ""));
    fs::remove_file(missing.systemd.path("/run/systemd/system/missing.service")).unwrap();
    for (shop, why) in [(&masked, "masked"), (&fixed, "RefuseManualStart"), (&once, "oneshot"), (&missing, "no unit of this name")] {
        let plan = shop.plan();
        assert!(plan["plan"].to_string().contains(why), "{}: {plan:#}", shop.unit);
        let run = shop.sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "x"]);
        assert_ne!(run.code, Some(0), "{run}");
        assert_eq!(shop.starts(), 0, "{}", shop.unit);
    }
}

#[test]
fn a_restart_that_outlasts_its_time_is_unknown_and_looked_at_not_repeated() {
    let shop = need!(Shop::new("slow", STEADY, "ExecStartPre=/bin/sh -c 'test ! -e /run/NAME.wait || sleep 4'", ""));
    shop.systemctl("start");
    fs::write(shop.beside("wait"), "").unwrap();
    let text = fs::read_to_string(shop.sandbox.path("opsmedic.toml")).unwrap();
    shop.sandbox.configure(&text.replace("timeout_seconds = 20", "timeout_seconds = 1"));
    let operation = shop.recover();
    // The job ends three seconds after the time is up, within the time for which the end is looked for.
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert!(operation["probe"].as_str().unwrap().contains("had its effect"), "{operation:#}");
    let audit = shop.sandbox.opsmedic(["audit", "show", "--json"]).json_lines();
    let events: Vec<&str> = audit.iter().map(|line| line["event"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["approved", "intent", "unknown", "verifying", "succeeded"]);
    assert_eq!(shop.starts(), 2, "one start by hand, one by the recovery");
}

/// What the engine would do, one step at a time.
struct Steps {
    runtime: tokio::runtime::Runtime,
    ports: Ports,
    actuator: Arc<dyn Actuator>,
    context: Context,
}

impl Steps {
    fn of(shop: &Shop) -> Self {
        Self::with(actuator(&shop.unit, &shop.systemd.bus()))
    }

    fn with(actuator: Arc<dyn Actuator>) -> Self {
        let context = Context { operation: OperationId::random(), target: "shop".parse().unwrap(), issue: IssueType::ServiceUnavailable, fence: 1 };
        Self { runtime: tokio::runtime::Runtime::new().unwrap(), ports: Ports::real(), actuator, context }
    }

    fn prepare(&self) -> Result<Prepared, String> {
        self.runtime.block_on(self.actuator.prepare(&self.ports))
    }

    fn act(&self, prepared: &Prepared) -> Act {
        self.runtime.block_on(self.actuator.act(&self.ports, prepared, &self.context)).unwrap()
    }

    fn verify(&self, act: &Act) -> Postcondition {
        self.runtime.block_on(self.actuator.verify(&self.ports, &act.left))
    }

    fn probe(&self, prepared: &Prepared) -> Probe {
        self.runtime.block_on(self.actuator.probe(&self.ports, &prepared.prior))
    }

    fn undo(&self, prepared: &Prepared) -> Result<Act, ActError> {
        self.runtime.block_on(self.actuator.undo(&self.ports, &prepared.prior, &self.context))
    }
}

#[test]
fn what_a_restart_left_holds_until_the_unit_dies_again() {
    let script = "test -e /run/NAME.loop && { sleep 0.3; exit 1; }; touch /run/NAME.well; exec sleep 1000";
    let shop = need!(Shop::new("watched", script, "Restart=on-failure\nRestartSec=200ms", "StartLimitBurst=1000"));
    shop.systemctl("start");
    let steps = Steps::of(&shop);
    let prepared = steps.prepare().unwrap();
    assert_eq!(prepared.undo, None, "it was active: a stop would not bring that back");
    assert_eq!(prepared.prior["active_state"], "active");
    let act = steps.act(&prepared);
    assert!(matches!(steps.verify(&act), Postcondition::Holds(_)), "{:?}", steps.verify(&act));
    assert_eq!(steps.runtime.block_on(steps.actuator.observe(&steps.ports)).unwrap(), act.left);

    fs::write(shop.beside("loop"), "").unwrap();
    shop.systemd.systemctl(&["kill", "--signal=KILL", &shop.unit]);
    let broken = || matches!(steps.verify(&act), Postcondition::Broken(_));
    assert!(wait_for(Duration::from_secs(5), broken), "{:?}", steps.verify(&act));
    // It is started anew by systemd again and again, and is active in between: still broken.
    for _ in 0..20 {
        assert!(broken(), "{:?}", steps.verify(&act));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!matches!(steps.probe(&prepared), Probe::DidNot(_)), "{:?}", steps.probe(&prepared));

    let act = {
        fs::remove_file(shop.beside("loop")).unwrap();
        shop.wait_until("active");
        shop.systemctl("stop");
        Act { left: steps.runtime.block_on(steps.actuator.observe(&steps.ports)).unwrap(), ..Act::default() }
    };
    assert!(matches!(steps.verify(&act), Postcondition::Broken(_)), "stopped: {:?}", steps.verify(&act));
}

#[test]
fn a_call_whose_end_was_not_seen_can_be_probed() {
    let shop = need!(Shop::new("probed", STEADY, "", "After=before-probed.service"));
    shop.systemd.unit("before-probed.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 3\n");
    let steps = Steps::of(&shop);
    let prepared = steps.prepare().unwrap();
    assert!(matches!(steps.probe(&prepared), Probe::DidNot(_)), "{:?}", steps.probe(&prepared));
    // The restart waits for the other unit: for now the unit is inactive as before, and yet it will be started.
    shop.systemd.systemctl(&["start", "--no-block", "before-probed.service"]);
    shop.systemd.systemctl(&["restart", "--no-block", &shop.unit]);
    let probed = steps.probe(&prepared);
    assert!(matches!(probed, Probe::CannotTell(_)), "{probed:?}");
    let refused = steps.prepare().unwrap_err();
    assert!(refused.contains("job"), "{refused}");
    assert_eq!(shop.starts(), 0);
    assert!(wait_for(Duration::from_secs(10), || matches!(steps.probe(&prepared), Probe::Happened(_))), "{:?}", steps.probe(&prepared));
    let Probe::Happened(act) = steps.probe(&prepared) else { panic!("{:?}", steps.probe(&prepared)) };
    assert_eq!(act.left["invocation_id"], shop.shown("InvocationID"));
    assert!(matches!(steps.verify(&act), Postcondition::Holds(_)), "{:?}", steps.verify(&act));
}

#[test]
fn a_unit_that_was_inactive_is_stopped_again_by_the_undo() {
    let shop = need!(Shop::new("undone", STEADY, "", ""));
    let steps = Steps::of(&shop);
    let prepared = steps.prepare().unwrap();
    assert!(prepared.undo.as_deref().is_some_and(|undo| undo.contains("StopUnit(\"undone.service\", \"replace\")")), "{prepared:?}");
    assert_eq!(prepared.prior["active_state"], "inactive");
    steps.act(&prepared);
    assert_eq!(shop.shown("ActiveState"), "active");
    steps.undo(&prepared).unwrap();
    assert_eq!(shop.shown("ActiveState"), "inactive");

    // systemctl has a way of its own, so no other test is hurt by a bus that lets nobody stop a unit.
    let policy = "<busconfig><policy user=\"root\"><deny send_interface=\"org.freedesktop.systemd1.Manager\" send_member=\"StopUnit\"/></policy></busconfig>";
    fs::write(shop.systemd.path("/etc/dbus-1/system.d/nobody-stops.conf"), policy).unwrap();
    shop.systemd.systemctl(&["reload", "dbus.service"]);
    steps.act(&steps.prepare().unwrap());
    let undone = steps.undo(&prepared);
    let Err(ActError::Failed(denied)) = &undone else { panic!("nobody denied it: {undone:?}") };
    assert!(denied.message.contains("access denied") && denied.untrusted_output.is_some(), "{denied:?}");
    assert_eq!(shop.shown("ActiveState"), "active");
}

#[test]
fn a_unit_is_restarted_by_another_of_its_names() {
    let shop = need!(Shop::new("named", STEADY, "", ""));
    std::os::unix::fs::symlink("named.service", shop.systemd.path("/run/systemd/system/alias.service")).unwrap();
    shop.systemctl("start");
    let steps = Steps::with(actuator("alias.service", &shop.systemd.bus()));
    steps.act(&steps.prepare().unwrap());
    assert_eq!(shop.starts(), 2);
}

#[test]
fn units_of_every_type_can_be_looked_at() {
    let systemd = need!(Systemd::shared());
    for kind in ["service", "socket", "timer", "path", "mount", "automount", "swap"] {
        let refused = Steps::with(actuator(&format!("nothing-here.{kind}"), &systemd.bus())).prepare().unwrap_err();
        assert_eq!(refused, "there is no unit of this name", "{kind}");
    }
    let timer = Steps::with(actuator("systemd-tmpfiles-clean.timer", &systemd.bus()));
    let prepared = timer.prepare().unwrap();
    let act = timer.act(&prepared);
    assert_ne!(act.left["invocation_id"], prepared.prior["invocation_id"]);
    assert!(matches!(timer.verify(&act), Postcondition::Holds(_)), "{:?}", timer.verify(&act));
}
