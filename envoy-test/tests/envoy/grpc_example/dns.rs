//! A DNS server for names that exist nowhere else, such as a headless service's.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// It ends when dropped.
pub struct Dns {
    pub address: SocketAddr,
    names: Names,
    server: JoinHandle<()>,
}

type Names = Arc<Mutex<BTreeMap<String, Vec<Ipv4Addr>>>>;

impl Dns {
    pub async fn start() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let names = Names::default();
        Ok(Self {
            address: socket.local_addr()?,
            names: Arc::clone(&names),
            server: tokio::spawn(serve(socket, names)),
        })
    }

    /// From now on the name has these addresses.
    pub fn set(&self, name: &str, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), addresses.into_iter().collect());
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(socket: UdpSocket, names: Names) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        let answer = {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&query[..length], &names)
        };
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// RFC 1035: the query's id and question, and the addresses if IPv4 ones are asked for.
fn answer(query: &[u8], names: &BTreeMap<String, Vec<Ipv4Addr>>) -> Option<Vec<u8>> {
    let (header, question) = query.split_at_checked(12)?;
    let (name, rest) = read_name(question)?;
    let question = &question[..question.len() - rest.len() + 4];
    let found = names.get(&name);
    let is_ipv4 = rest.starts_with(&[0, 1]);
    let addresses = found.filter(|_| is_ipv4).map_or(&[][..], Vec::as_slice);
    let no_such_name = if found.is_none() { 3 } else { 0 };

    let mut answer = header[..2].to_vec();
    // An authoritative response to a standard query; one question; so many answers; nothing else.
    answer.extend([0x84, no_such_name, 0, 1, 0, u8::try_from(addresses.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // The question's name, type A, class IN, no time to live, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// The name that the question begins with, and what follows.
fn read_name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut labels = Vec::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        if *length == 0 {
            return (rest.len() >= 4).then(|| (labels.join("."), rest));
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        bytes = rest;
    }
}
