//! However a request ends, its slot is free again.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, RawHttp1, RawHttp2, Reply, Test, Upstream, routes, tests};
use serde_json::json;

use super::super::{SLIM, WHOLE};
use super::{Scene, limit, spawn};

pub fn tests() -> Vec<Test> {
    tests![
        the_end_of_a_response,
        a_client_that_leaves,
        a_stream_that_is_reset,
        an_upstream_that_closes,
        a_time_out,
        an_answer_of_envoy,
        a_tunnel,
        an_upgrade,
    ]
}

/// Two requests wait. The first of them, for which the upstream has that reply, ends as the test wants it, and then there
/// is place for one more. `begin` sends it and says how it is ended.
async fn ends<E: AsyncFnOnce(&Upstream) -> Result<()>>(
    envoy: &Envoy,
    name: &str,
    reply: Reply,
    begin: impl AsyncFnOnce(&Listener) -> Result<E>,
) -> Result<()> {
    let soon = |upstream: &str| {
        let soon = json!({"match": {"path": "/soon"}, "route": {"cluster": upstream, "timeout": "1s"}});
        vec![soon, routes::catch_all(upstream)]
    };
    let scene = Scene::on(envoy, ListenerConfig::new(), WHOLE, json!([limit(name, 2)]), soon).await?;
    scene.upstream.script([reply.times(1)]);
    scene.gate.script([Reply::status(200).held().times(1)]);
    let end = begin(&scene.listener).await?;
    scene.upstream.arrived(1).await;
    let other = spawn(scene.get("/free"));
    scene.gate.arrived(1).await;
    if name != "a time-out" {
        // That one may be over at any moment.
        assert_eq!(scene.status("/").await?, 429);
    }
    end(&scene.upstream).await?;
    scene.passes("/").await?;
    assert!(!other.is_finished());
    scene.gate.release(1);
    assert_eq!(other.await??, 200);
    scene.is_free(2).await
}

async fn the_end_of_a_response(envoy: &Envoy) -> Result<()> {
    ends(envoy, "a response", Reply::status(503).held(), async |listener| {
        let first = spawn(listener.get("/").http2());
        Ok(async |upstream: &Upstream| {
            upstream.release(1);
            assert_eq!(first.await??, 503);
            Ok(())
        })
    })
    .await
}

async fn a_client_that_leaves(envoy: &Envoy) -> Result<()> {
    ends(envoy, "who leaves", Reply::status(200).held(), async |listener| {
        let mut client = RawHttp1::open(listener.address()).await?;
        client.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        Ok(async |_: &Upstream| Ok(client.reset()?))
    })
    .await
}

async fn a_stream_that_is_reset(envoy: &Envoy) -> Result<()> {
    ends(envoy, "who is reset", Reply::status(200).held(), async |listener| {
        let mut client = RawHttp2::open(listener.address()).await?;
        let lines: [(&[u8], &[u8]); 4] =
            [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"h")];
        let id = client.begin(&lines, true).await;
        Ok(async move |_: &Upstream| {
            client.cancel(id).await;
            Ok(())
        })
    })
    .await
}

async fn an_upstream_that_closes(envoy: &Envoy) -> Result<()> {
    ends(envoy, "who closes", Reply::close().held(), async |listener| {
        let first = spawn(listener.get("/"));
        Ok(async |upstream: &Upstream| {
            upstream.release(1);
            assert_eq!(first.await??, 503);
            Ok(())
        })
    })
    .await
}

async fn a_time_out(envoy: &Envoy) -> Result<()> {
    ends(envoy, "a time-out", Reply::status(200).held(), async |listener| {
        let first = spawn(listener.get("/soon"));
        Ok(async |_: &Upstream| {
            assert_eq!(first.await??, 504);
            Ok(())
        })
    })
    .await
}

/// None of these ever is under way at an upstream.
async fn an_answer_of_envoy(envoy: &Envoy) -> Result<()> {
    let own = |upstream: &str| {
        vec![
            json!({"match": {"path": "/direct"}, "direct_response": {"status": 204}}),
            json!({"match": {"path": "/redirect"}, "redirect": {"path_redirect": "/"}}),
            json!({"match": {"path": "/nobody"}, "route": {"cluster_header": "x-none"}}),
            json!({"match": {"path": "/"}, "route": {"cluster": upstream}}),
        ]
    };
    let limits = json!([limit("answers of Envoy", 1)]);
    let scene = Scene::on(envoy, ListenerConfig::new(), SLIM, limits, own).await?;
    for mut connection in [scene.listener.connect().await?, scene.listener.connect_http2().await?] {
        for (path, expected) in [("/direct", 204), ("/redirect", 301), ("/nobody", 503), ("/no-route", 404)] {
            for _ in 0..20 {
                let answered = async || {
                    let status = connection.send(scene.get(path)).await?.status;
                    Ok((status != 429).then_some(status))
                };
                assert_eq!(envoy.admin().until("there is a slot", answered).await?, expected, "{path}");
            }
        }
    }
    scene.is_free(1).await
}

/// A tunnel is under way until one of its ends closes it.
async fn a_tunnel(envoy: &Envoy) -> Result<()> {
    let connect = |upstream: &str| {
        let upgrade = json!([{"upgrade_type": "CONNECT", "connect_config": {}}]);
        let route = json!({"cluster": upstream, "upgrade_configs": upgrade, "timeout": "0s"});
        vec![json!({"match": {"connect_matcher": {}}, "route": route}), routes::catch_all(upstream)]
    };
    let config = ListenerConfig::new().manager(json!({"upgrade_configs": [{"upgrade_type": "CONNECT"}]}));
    let scene = Scene::on(envoy, config, WHOLE, json!([limit("a tunnel", 1)]), connect).await?;
    for _ in 0..3 {
        let mut client = RawHttp1::open(scene.listener.address()).await?;
        client.write(b"CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n").await;
        assert_eq!(client.any_answer(true).await?.status(), 200);
        client.write(b"GET /within HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let within = client.read(1).await?;
        assert!(within.starts_with(b"HTTP/1.1 200 "), "{within:?}");
        assert_eq!(scene.status("/").await?, 429);
        client.reset()?;
        scene.passes("/").await?;
        scene.is_free(1).await?;
    }
    Ok(())
}

/// As of a websocket, which the upstream closes.
async fn an_upgrade(envoy: &Envoy) -> Result<()> {
    let config = ListenerConfig::new().manager(json!({"upgrade_configs": [{"upgrade_type": "websocket"}]}));
    let limits = json!([limit("an upgrade", 1)]);
    let all = |upstream: &str| vec![routes::catch_all(upstream)];
    let scene = Scene::on(envoy, config, WHOLE, limits, all).await?;
    for _ in 0..3 {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello";
        scene.upstream.script([Reply::garbage(switch).held().times(1)]);
        let before = scene.upstream.requests();
        let mut client = RawHttp1::open(scene.listener.address()).await?;
        client.write(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
        scene.upstream.arrived(before + 1).await;
        assert_eq!(scene.status("/").await?, 429);
        scene.upstream.release(1);
        assert_eq!(client.any_answer(false).await?.status(), 101);
        assert_eq!(client.read(5).await?, b"hello");
        scene.passes("/").await?;
        scene.is_free(1).await?;
    }
    Ok(())
}
