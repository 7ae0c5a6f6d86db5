//! What the daemon sees of a process, for programs. Facts stand beside each other; under `claims` stands
//! what a process says of itself.

use glassdome_proto::policy::{Ours, Picture, Process};
use serde::Serialize;

use super::hex::hex;

/// Keys are never renamed or taken away; times are seconds since the epoch.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    subject: Option<u32>,
    client: Option<&'static str>,
    grant: Option<u32>,
    rules: Vec<&'a str>,
    missing: Option<&'a str>,
    claims: Option<ClientClaims<'a>>,
    chain: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct ClientClaims<'a> {
    client: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Link<'a> {
    pid: u32,
    uid: u32,
    started: u64,
    session: Option<u32>,
    tty: Option<&'a str>,
    forked: bool,
    launcher: bool,
    exe: Option<File<'a>>,
    claims: Claims<'a>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    dev: u64,
    ino: u64,
    owner: u32,
    writable: bool,
    sha256: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    name: &'a str,
    script: Option<Script<'a>>,
}

#[derive(Serialize)]
struct Script<'a> {
    path: &'a str,
    sha256: Option<String>,
}

pub(crate) fn document<'a>(picture: &'a Picture<'_>) -> Document<'a> {
    Document {
        subject: picture.chain.get(usize::from(picture.subject)).map(|subject| subject.pid),
        client: picture.client.map(|ours| match ours {
            Ours::Stamp => "stamp",
            Ours::File => "file",
        }),
        grant: picture.grant,
        rules: picture.rules.iter().map(|id| &**id).collect(),
        missing: picture.missing.as_deref(),
        claims: picture
            .claims
            .as_ref()
            .map(|claims| ClientClaims { client: &claims.client, version: &claims.version }),
        chain: picture.chain.iter().map(link).collect(),
    }
}

fn link<'a>(process: &'a Process<'_>) -> Link<'a> {
    let digest = |digest: Option<[u8; 32]>| digest.map(|digest| hex(&digest));
    Link {
        pid: process.pid,
        uid: process.uid,
        started: process.started,
        session: (process.session != 0).then_some(process.session),
        tty: (!process.tty.is_empty()).then_some(&*process.tty),
        forked: process.forked,
        launcher: process.launcher,
        exe: process.exe.as_ref().map(|exe| File {
            path: &exe.path,
            dev: exe.dev,
            ino: exe.ino,
            owner: exe.owner,
            writable: exe.writable,
            sha256: digest(exe.sha256),
        }),
        claims: Claims {
            name: &process.name,
            script: process
                .script
                .as_ref()
                .map(|script| Script { path: &script.path, sha256: digest(script.sha256) }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::picture::tests::{stranger, typed};

    #[test]
    fn documents_have_the_documented_shape() {
        let json = serde_json::to_value(document(&typed())).unwrap();
        assert_eq!(json["subject"], 4700);
        assert_eq!(json["client"], "stamp");
        assert_eq!(json["grant"], 3);
        assert_eq!(json["chain"][1]["launcher"], true);
        assert_eq!(json["chain"][3]["tty"], serde_json::Value::Null);
        assert_eq!(json["claims"]["client"], "glassdome-client");
        let json = serde_json::to_value(document(&stranger())).unwrap();
        assert_eq!(json["missing"], "no rule covers it");
        assert_eq!(json["chain"][0]["exe"]["writable"], true);
        assert_eq!(json["chain"][0]["claims"]["script"]["sha256"], "ab".repeat(32));
    }
}
