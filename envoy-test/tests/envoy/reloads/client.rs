//! A client that asks again and again, and looks at each answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use envoy_test::{Answer, Connection, Request};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A connection on which one request follows the other.
pub struct Client {
    /// The number of the policy that answers, and how often it has.
    seen: watch::Receiver<(u32, u32)>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<u64>>,
}

impl Client {
    pub fn start(connection: Connection, request: Request) -> Self {
        let (sender, seen) = watch::channel((0, 0));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(ask(connection, request, sender, Arc::clone(&stop)));
        Self { seen, stop, task }
    }

    /// Waits until the policy of that number has answered so often.
    pub async fn reached(&mut self, number: u32, times: u32) -> Result<()> {
        if self.seen.wait_for(|seen| seen.0 == number && seen.1 >= times).await.is_ok() {
            return Ok(());
        }
        match (&mut self.task).await? {
            Ok(_) => bail!("the client has ended"),
            Err(error) => Err(error.context(format!("while policy {number} was awaited"))),
        }
    }

    /// Lets it finish its request; says how many it has sent, all of which were answered.
    pub async fn end(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn ask(
    mut connection: Connection,
    request: Request,
    seen: watch::Sender<(u32, u32)>,
    stop: Arc<AtomicBool>,
) -> Result<u64> {
    let mut answers = 0;
    let (mut last, mut times) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.send(request.clone()).await?;
        let number = policy_of(&answer)?;
        // A connection stays with its worker, which never goes back.
        ensure!(number >= last, "policy {number} after {last}");
        times = if number == last { times + 1 } else { 1 };
        last = number;
        answers += 1;
        seen.send_replace((number, times));
    }
    Ok(answers)
}

/// The number of the policy that answered, if it is one policy in all respects.
fn policy_of(answer: &Answer) -> Result<u32> {
    ensure!(answer.status == 200, "{answer}");
    let echo = answer.echo();
    let number: u32 = answer.header("x-policy").context("no mark in the response")?.parse()?;
    let of_request = (echo.header_lines("x-policy"), echo.path.as_str(), echo.service.as_str());
    let mark = number.to_string();
    let expected = (vec![mark.as_str()], format!("/to-{number}/x"), super::host(number));
    ensure!(of_request == (expected.0, expected.1.as_str(), expected.2), "policy {number} answered {answer}");
    Ok(number)
}
