//! A target of the inventory with everything recovery knows of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Action, Actuator};
use crate::types::target::{Policy, TargetName};

/// A target: who must agree, what can be done and how long it must then be well.
#[derive(Clone)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Who must agree.
    pub policy: Policy,
    /// How each supported action is done.
    pub actuators: BTreeMap<Action, Arc<dyn Actuator>>,
    /// Kind of the check that tells whether it is well.
    pub check: Option<String>,
    /// How long the check must pass without a break. Default 10 s.
    pub soak: Duration,
    /// How long a passing check is waited for after an action, soak included. Default 60 s.
    pub verify_timeout: Duration,
    /// Named facts for playbooks: unit, container, namespace and the like.
    pub facts: BTreeMap<String, String>,
}
