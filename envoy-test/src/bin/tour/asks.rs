//! A request of the tour: how it is made, shown and checked.

use anyhow::Result;
use envoy_test::{Answer, Request};

use crate::expect::{self, Expect};
use crate::front_proxy::{EXPLAIN, FrontProxy};
use crate::show::Show;

/// A request, and what it should bring.
pub struct Ask {
    pub why: &'static str,
    pub method: &'static str,
    pub host: &'static str,
    pub path: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub expect: &'static [Expect],
    /// It is true sooner or later: ask until it is.
    pub in_time: bool,
}

/// What most of them are.
pub const GET: Ask = Ask { why: "", method: "GET", host: "", path: "/", headers: &[], expect: &[], in_time: false };

impl Ask {
    pub async fn run(&self, front_proxy: &FrontProxy, show: &mut Show) -> Result<Answer> {
        show.say(self.why);
        show.command(&self.curl(front_proxy.address.port()));
        let answer = if self.in_time {
            let holds = async || {
                let answer = self.send(front_proxy).await?;
                Ok(self.expect.iter().all(|expect| expect.holds(&answer)).then_some(answer))
            };
            front_proxy.envoy.admin().until(self.why, holds).await?
        } else {
            self.send(front_proxy).await?
        };
        show.output(&self.summary(&answer));
        for expect in self.expect {
            show.check(expect.holds(&answer), &expect.to_string());
        }
        Ok(answer)
    }

    pub async fn send(&self, front_proxy: &FrontProxy) -> Result<Answer> {
        let request = Request::new(front_proxy.address, self.method, self.path).host(self.host).header(EXPLAIN, "yes");
        let headers = self.headers.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        request.send().await
    }

    /// The same as a command to type.
    pub fn curl(&self, port: u16) -> String {
        let method = match self.method {
            "GET" => String::new(),
            method => format!(" -X {method}"),
        };
        let mut headers = format!("-H 'Host: {}'", self.host);
        for (name, value) in self.headers.iter().chain(&[(EXPLAIN, "yes")]) {
            headers.push_str(&format!(" -H '{name}: {value}'"));
        }
        format!("curl -i{method} 'localhost:{port}{}' {headers}", self.path)
    }

    /// Who answered, what of it is checked, and why it was this one.
    fn summary(&self, answer: &Answer) -> String {
        let by = match expect::service(answer) {
            Some(service) => format!("from {service}"),
            None if answer.body.is_empty() => "from the proxy".to_owned(),
            None => format!("from the proxy: {}", answer.text().trim_end()),
        };
        let mut lines = vec![format!("{} {by}", answer.status)];
        for line in self.expect.iter().flat_map(|expect| expect.evidence(answer)) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        for line in answer.header_lines(EXPLAIN) {
            // One line for what decided, and one for each rule that did not.
            lines.push(format!("{EXPLAIN}: {}", line.replace("; ", ";\n  ")));
        }
        lines.join("\n")
    }
}
