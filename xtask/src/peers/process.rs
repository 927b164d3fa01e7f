//! A program that answers a line of JSON with a line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::command::Command;

/// The program, as long as it is needed; it ends when this is dropped.
pub struct Process {
    command: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(command: &Command) -> Result<Self> {
        let mut child = command
            .native()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{command}`"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.context("a child's pipes are gone")?;
        Ok(Self {
            command: command.to_string(),
            child,
            requests,
            answers: BufReader::new(answers),
        })
    }

    /// The operating system's number for it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks and waits for the answer; one with an `error` in it is an error here.
    pub fn ask(&mut self, request: &Value) -> Result<Value> {
        let mut line = String::new();
        writeln!(self.requests, "{request}")
            .and_then(|()| self.requests.flush())
            .and_then(|()| self.answers.read_line(&mut line))
            .with_context(|| format!("`{}` does not answer", self.command))?;
        if line.is_empty() {
            let status = self.child.wait()?;
            bail!("`{}` ended without an answer ({status})", self.command);
        }
        let answer: Value = serde_json::from_str(&line)
            .with_context(|| format!("`{}` answered something else than JSON", self.command))?;
        match answer["error"].as_str() {
            Some(error) => Err(anyhow!("{error}")),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::json;

    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(&Command::new("sh", ["-c", script])).unwrap()
    }

    #[test]
    fn each_request_gets_its_answer() {
        let mut echo = shell("while read -r line; do echo \"$line\"; done");
        for number in 0..3 {
            let request = json!({"number": number});
            assert_eq!(echo.ask(&request).unwrap(), request);
        }
    }

    #[test]
    fn a_fault_an_early_end_and_noise_are_errors() {
        let error = |script| {
            let error = shell(script).ask(&json!({})).unwrap_err();
            format!("{error:#}")
        };
        assert_eq!(
            error("read line; echo '{\"error\": \"too hot\"}'"),
            "too hot"
        );
        let early = error("read line; exit 3");
        assert!(
            early.contains("without an answer (exit status: 3)"),
            "{early}"
        );
        assert!(error("read line; echo hello").contains("something else than JSON"));
    }
}
