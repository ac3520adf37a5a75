//! A door before a server, which can be shut: who comes then is turned away, and who is inside is
//! cut off.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub struct Door {
    pub address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Door {
    pub fn before(server: SocketAddr, runtime: &Runtime) -> Result<Self> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (open, watched) = watch::channel(true);
        runtime.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut watched = watched.clone();
                if !*watched.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut behind) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut behind) => {}
                        _ = watched.wait_for(|open| !*open) => {}
                    }
                });
            }
        });
        Ok(Self { address, open })
    }

    pub fn open(&self, open: bool) {
        self.open.send_replace(open);
    }
}
