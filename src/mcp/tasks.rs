//! Calls that take long, as tasks of the extension `io.modelcontextprotocol/tasks`: the caller gets a handle, the call keeps its place and its
//! deadline and goes on.
//!
//! A task is its caller's alone; for everybody else it does not exist. There are only so many; with no room for one more, a call is answered when it
//! ends, as without the extension.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, CreateTaskResult, DetailedTask, Task},
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use tokio_util::sync::CancellationToken;

use super::{Server, progress, running::Running, tools::Tool as Kind};

/// A call that ends within this needs no task.
const QUICK: Duration = Duration::from_secs(2);
/// How often a call that is kept open is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Tasks that are kept, running or ended.
const MOST: usize = 256;
/// How long a task may run, and for how long it is kept afterwards.
const TTL: Duration = Duration::from_secs(900);
/// How often a client may ask.
const POLL_MS: u64 = 1_000;

/// A call on its way.
type Call = BoxFuture<'static, CallToolResponse>;

/// The tasks of a process, over all its transports.
pub(super) struct Tasks {
    manager: TaskManager,
    owners: Mutex<BTreeMap<String, String>>,
    most: usize,
    ttl: Duration,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { manager: TaskManager::new(), owners: Mutex::default(), most: MOST, ttl: TTL }
    }
}

impl Tasks {
    fn owners(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another task can be kept.
    fn has_room(&self) -> bool {
        let mut owners = self.owners();
        if owners.len() >= self.most {
            // Those that were kept long enough are gone.
            owners.retain(|id, _| self.manager.get_task(id).is_ok());
        }
        owners.len() < self.most
    }

    /// Makes a task of a call, or gives the call back if there is no room.
    fn adopt(&self, owner: &str, call: Call, running: &Running) -> Result<Task, Call> {
        if !self.has_room() {
            return Err(call);
        }
        let mut owners = self.owners();
        // Another call may have been faster.
        if owners.len() >= self.most {
            return Err(call);
        }
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new().with_ttl_ms(ttl_ms).with_poll_interval_ms(POLL_MS);
        let running = running.clone();
        let task = self.manager.spawn(options, move |context| go_on(call, running, context).boxed());
        owners.insert(task.task_id.clone(), owner.to_owned());
        Ok(task)
    }

    /// A task of this caller.
    ///
    /// # Errors
    /// Somebody else's is as unknown as one that never was.
    pub(super) fn get(&self, id: &str, owner: &str) -> Result<DetailedTask, ErrorData> {
        self.own(id, owner)?;
        self.manager.get_task(id).map_err(|_| unknown())
    }

    /// Asks a task of this caller to stop.
    ///
    /// # Errors
    /// As [`Tasks::get`].
    pub(super) fn cancel(&self, id: &str, owner: &str) -> Result<(), ErrorData> {
        self.own(id, owner)?;
        self.manager.cancel_task(id).map_err(|_| unknown())
    }

    /// Whether this is a task of this caller; none of ours asks for input.
    ///
    /// # Errors
    /// As [`Tasks::get`].
    pub(super) fn own(&self, id: &str, owner: &str) -> Result<(), ErrorData> {
        if self.owners().get(id).is_some_and(|of| of == owner) { Ok(()) } else { Err(unknown()) }
    }
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("there is no such task", None)
}

/// The rest of a call. A cancelled one ends at once; what recovery had begun by then goes on to a recorded end of its own.
async fn go_on(mut call: Call, running: Running, context: TaskContext) -> Result<CallToolResult, TaskExit> {
    let mut steps = running.steps.subscribe();
    steps.mark_changed();
    loop {
        tokio::select! {
            biased;
            response = &mut call => return finished(response),
            () = context.cancelled() => {
                running.cancel.cancel();
                call.await;
                return Err(TaskExit::Cancelled);
            }
            Ok(()) = steps.changed() => {
                let message = steps.borrow_and_update().message.clone();
                if !message.is_empty() {
                    context.set_status_message(message);
                }
            }
        }
    }
}

fn finished(response: CallToolResponse) -> Result<CallToolResult, TaskExit> {
    match response {
        CallToolResponse::Complete(result) => Ok(result),
        // A call that may have to ask is kept open until it has.
        _ => Err(TaskExit::Error(ErrorData::internal_error("the call cannot be answered by a task; call again", None))),
    }
}

impl Server {
    /// Answers a call of a client that knows tasks: with its result if that comes soon, else with a task.
    pub(super) async fn run_or_task(&self, tool: &'static Kind, request: CallToolRequestParams, context: &RequestContext<RoleServer>) -> CallToolResponse {
        let running = Running::new(CancellationToken::new());
        let (server, for_call, inside) = (self.clone(), context.clone(), running.clone());
        let mut call: Call = async move { server.run(tool, request, &for_call, &inside, true).await }.boxed();
        let mut pause = QUICK;
        loop {
            tokio::select! {
                biased;
                response = &mut call => return response,
                () = context.ct.cancelled() => {
                    running.cancel.cancel();
                    return call.await;
                }
                () = tokio::time::sleep(pause) => pause = LOOK,
            }
            if running.may_become_a_task() {
                break;
            }
        }
        if self.hub.tasks.has_room() {
            tokio::select! {
                biased;
                response = &mut call => return response,
                () = progress::settled(&running) => {}
            }
            match self.hub.tasks.adopt(&self.owner(context), call, &running) {
                Ok(task) => return CreateTaskResult::new(task).into(),
                Err(back) => call = back,
            }
        }
        tracing::info!(tool = tool.name, "no room for another task");
        tokio::select! {
            biased;
            response = &mut call => response,
            () = context.ct.cancelled() => {
                running.cancel.cancel();
                call.await
            }
        }
    }

    /// Whose tasks a caller sees.
    pub(super) fn owner(&self, context: &RequestContext<RoleServer>) -> String {
        self.principal(context).name
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ContentBlock, TaskPayload, TaskStatus};

    use super::*;

    fn tasks(most: usize, ttl: Duration) -> Tasks {
        Tasks { most, ttl, ..Tasks::default() }
    }

    fn running() -> Running {
        Running::new(CancellationToken::new())
    }

    fn ends_after(wait: Duration, running: &Running) -> Call {
        let cancel = running.cancel.clone();
        async move {
            tokio::select! {
                () = cancel.cancelled() => CallToolResult::error(vec![ContentBlock::text("cancelled")]),
                () = tokio::time::sleep(wait) => CallToolResult::success(vec![ContentBlock::text("done")]),
            }
            .into()
        }
        .boxed()
    }

    fn status(tasks: &Tasks, task: &Task) -> TaskStatus {
        tasks.get(&task.task_id, "ann").expect("hers").status()
    }

    async fn settle(tasks: &Tasks, task: &Task) -> TaskStatus {
        for _ in 0..200 {
            if status(tasks, task).is_terminal() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        status(tasks, task)
    }

    #[tokio::test]
    async fn a_task_is_its_callers_alone() {
        let (tasks, running) = (tasks(4, TTL), running());
        let task = tasks.adopt("ann", ends_after(Duration::ZERO, &running), &running).ok().expect("room");
        let refused = [tasks.get(&task.task_id, "bob").err(), tasks.cancel(&task.task_id, "bob").err(), tasks.get("nobody's", "bob").err()];
        let [Some(get), Some(cancel), Some(unknown)] = refused else { panic!("{refused:?}") };
        assert!(get == unknown && cancel == unknown, "{get:?} {cancel:?} {unknown:?}");
        assert_eq!(settle(&tasks, &task).await, TaskStatus::Completed);
        assert!(!running.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn a_cancelled_task_stops_and_says_so() {
        let (tasks, running) = (tasks(4, TTL), running());
        let task = tasks.adopt("ann", ends_after(Duration::from_secs(60), &running), &running).ok().expect("room");
        assert_eq!(status(&tasks, &task), TaskStatus::Working);
        tasks.cancel(&task.task_id, "ann").expect("hers");
        assert_eq!(settle(&tasks, &task).await, TaskStatus::Cancelled);
        assert!(running.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn there_are_only_so_many_and_old_ones_make_room() {
        let ttl = Duration::from_millis(100);
        let (tasks, running) = (tasks(1, ttl), running());
        let first = tasks.adopt("ann", ends_after(Duration::ZERO, &running), &running).ok().expect("room");
        assert_eq!(settle(&tasks, &first).await, TaskStatus::Completed);
        let back = tasks.adopt("ann", ends_after(Duration::ZERO, &running), &running).expect_err("no room");
        assert!(matches!(back.await, CallToolResponse::Complete(_)), "the call is as it was");
        tokio::time::sleep(ttl * 2).await;
        assert!(tasks.get(&first.task_id, "ann").is_err(), "it was kept long enough");
        assert!(tasks.adopt("ann", ends_after(Duration::ZERO, &running), &running).is_ok());
    }

    #[tokio::test]
    async fn how_far_it_is_shows_as_its_message_and_a_lasting_one_expires() {
        let (tasks, running) = (tasks(2, Duration::from_millis(300)), running());
        let task = tasks.adopt("ann", ends_after(Duration::from_secs(60), &running), &running).ok().expect("room");
        progress::Progress::of(&running, true).report(3, Some(8), "3 of 8 checks done");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let shown = tasks.get(&task.task_id, "ann").expect("hers").task;
        assert_eq!(shown.status_message.as_deref(), Some("3 of 8 checks done"));
        tokio::time::sleep(Duration::from_millis(400)).await;
        let ended = tasks.get(&task.task_id, "ann").expect("still kept").payload;
        assert!(matches!(ended, TaskPayload::Failed { .. }), "{ended:?}");
    }
}
