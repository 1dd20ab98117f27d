//! Shows Pointsman at work in examples/front-proxy: the requests, what came back and which rule decided, each held against
//! what it should be.
//!
//! `tour` runs once, on free ports, and fails if anything differs. `tour --serve` takes the ports of envoy.yaml and goes
//! on serving afterwards, until Ctrl-C.

mod asks;
mod binomial;
mod canary;
mod chapters;
mod expect;
mod front_proxy;
mod limits;
mod live_edit;
mod mirror;
mod serve;
mod services;
mod show;
mod sticky;

use std::process::ExitCode;

use anyhow::Result;

use show::Show;

#[tokio::main]
async fn main() -> ExitCode {
    let serve = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--serve" => true,
        _ => {
            eprintln!("usage: tour [--serve]");
            return ExitCode::FAILURE;
        }
    };
    let ended = tokio::select! {
        ended = tour(serve) => ended,
        // What runs is stopped when it is dropped: Envoy, the services.
        _ = tokio::signal::ctrl_c() => Ok(serve),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it should be.
async fn tour(serve: bool) -> Result<bool> {
    let mut show = Show::new();
    let (_services, front_proxy) = front_proxy::start(serve).await?;
    for chapter in chapters::CHAPTERS {
        show.chapter(chapter.title);
        for ask in chapter.asks {
            ask.run(&front_proxy, &mut show).await?;
        }
    }
    limits::run(&front_proxy, &mut show).await?;
    canary::run(&front_proxy, &mut show).await?;
    sticky::run(&front_proxy, &mut show).await?;
    mirror::run(&front_proxy, &mut show).await?;
    live_edit::run(&front_proxy, &mut show).await?;
    let all_right = show.end();
    if serve {
        serve::run(&front_proxy).await?;
    }
    Ok(all_right)
}
