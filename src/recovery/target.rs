//! A target of the inventory with everything recovery knows of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Action, Actuator};
use crate::types::{
    issue::IssueType,
    target::{Policy, TargetName},
};

/// A target: who must agree, what can be done and how long it must then be well.
#[derive(Clone)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Who must agree.
    pub policy: Policy,
    /// How each supported action is done.
    pub actuators: BTreeMap<Action, Arc<dyn Actuator>>,
    /// Kinds of the checks that tell whether it is well, joined by ` and `; none without checks.
    pub check: Option<String>,
    /// Issue types that its checks do not show: for these an ok is no reason to do nothing.
    pub check_cannot_see: Vec<IssueType>,
    /// Targets that share their fate, such as the nodes of one service.
    pub group: Option<String>,
    /// What the self-healing loop mends when the checks fail; none means that the loop leaves it alone.
    pub heal: Option<IssueType>,
    /// How long the check must pass without a break. Default 10 s.
    pub soak: Duration,
    /// How long a passing check is waited for after an action, soak included. Default 60 s.
    pub verify_timeout: Duration,
    /// Stands for the whole of its configuration: environment, headers, checks and times too. An approval holds for this one only.
    pub fingerprint: String,
    /// Named facts for playbooks: unit, container, namespace and the like.
    pub facts: BTreeMap<String, String>,
}
