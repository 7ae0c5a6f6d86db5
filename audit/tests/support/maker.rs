//! Makes logs as the daemon makes them, in memory: runs and sessions, files and kills. Nothing of it
//! is random, so that what fails once fails again.
#![allow(clippy::unwrap_used, reason = "what it made itself is as it was made")]

use glassdome_audit::auditor::Auditor;
use glassdome_audit::chain::{self, Head};
use glassdome_audit::link::Link;
use glassdome_audit::{
    After, Claims, Event, FORMAT, Hex, Judged, Kernel, Key, Linked, Log, Outcome, Peer, Record, files, seal,
};
use zeroize::Zeroizing;

/// Who writes.
pub struct Maker {
    /// The files, oldest first: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    pub id: Hex<16>,
    pub head: Head,
    /// What lies beside the log.
    pub link: Option<Kept>,
    /// Whose the seals are, by the first line of each file.
    pub auditor: Option<Hex<32>>,
    /// The key of the next record.
    pub key: Option<[u8; 32]>,
    first: u64,
    session: Option<u64>,
    drawn: u64,
}

/// A link that can be copied.
#[derive(Clone)]
pub struct Kept {
    pub log: Hex<16>,
    pub seq: u64,
    pub key: [u8; 32],
}

impl Kept {
    pub fn link(&self) -> Link {
        Link { log: self.log, seq: self.seq, key: self.key }
    }
}

/// The auditor of this number.
pub fn auditor(n: u8) -> Auditor {
    Auditor::new(Zeroizing::new([n; 32]))
}

impl Maker {
    /// A log without seals.
    pub fn new(id: u8) -> Self {
        let mut maker = Self {
            files: vec![(files::ACTIVE.to_owned(), Vec::new())],
            id: Hex([id; 16]),
            head: Head::NONE,
            link: None,
            auditor: None,
            key: None,
            first: 1,
            session: None,
            drawn: u64::from(id) << 32,
        };
        maker.header(None);
        maker
    }

    /// A log that goes on after this one, which is set aside.
    pub fn after(&self, id: u8) -> Self {
        let mut maker = Self::new(id);
        maker.files[0].1.clear();
        (maker.head, maker.auditor) = (Head::NONE, self.auditor);
        maker.header(Some(After { id: Some(self.id), seq: self.head.seq, hash: self.head.hash }));
        match self.link_now() {
            Some(link) => {
                maker.begin_key(Some(Linked::Link { log: link.log, seq: link.seq }), Some(link.key))
            }
            None => maker.begin_key(None, None),
        }
        maker
    }

    /// A log with seals for this auditor from its first session on.
    pub fn sealed(id: u8, auditor: &Auditor) -> Self {
        let mut maker = Self::new(id);
        maker.record(Event::Start, None);
        maker.unlock();
        maker.seal_to(auditor);
        maker
    }

    /// Four files, three runs, of which one was killed, two sessions, and a first part without seals.
    pub fn eventful(id: u8) -> Self {
        let mut maker = Self::sealed(id, &auditor(1));
        maker.work(3);
        maker.lock();
        maker.rotate();
        maker.unlock();
        maker.work(2);
        maker.kill();
        maker.work(2);
        maker.rotate();
        maker.unlock();
        maker.work(3);
        maker.restart();
        maker.lock();
        maker
    }

    /// As `ctl audit new-key` has it done.
    pub fn seal_to(&mut self, auditor: &Auditor) {
        self.record(Event::Auditor, None);
        self.rotate_for(Some(Hex(auditor.public())));
        let origin = *seal::origin(auditor.expose());
        self.begin_key(Some(Linked::Origin), Some(origin));
        self.sync();
    }

    /// Records something.
    pub fn record(&mut self, event: Event, secret: Option<&str>) {
        let kernel = Kernel { pid: Some(4711), uid: 1000, gid: Some(1000), exe: None };
        let claims = Claims { client: "glassdome-client".into(), version: "0.1.0".into() };
        let judged = Judged { pid: 4700, name: "python3".into(), script: Some("/home/u/deploy.py".into()) };
        let record = Record {
            secret: secret.map(Into::into),
            by: Some("rule:deploy".into()),
            judged: secret.map(|_| judged),
            peer: Some(Peer { kernel, claims: Some(claims) }),
            ..self.stamped(event)
        };
        self.write(record, self.key);
    }

    /// So many values are read.
    pub fn work(&mut self, count: usize) {
        for n in 0..count {
            self.record(Event::Get, Some(&format!("db/{}", n % 7)));
        }
    }

    pub fn unlock(&mut self) {
        self.record(Event::Unlock, None);
        self.session = Some(self.head.seq);
        if self.auditor.is_some() {
            let linked = self.key.map(|_| Linked::Running);
            self.begin_key(linked, self.key);
        }
        self.sync();
    }

    pub fn lock(&mut self) {
        self.record(Event::Lock, None);
        self.session = None;
        self.sync();
    }

    /// The group commit: what was written is on the disk, and the link behind it.
    pub fn sync(&mut self) {
        if let Some(link) = self.link_now() {
            self.link = Some(link);
        }
    }

    /// The daemon ends in good order, and another one starts.
    pub fn restart(&mut self) {
        self.record(Event::Stop, None);
        self.sync();
        self.kill();
    }

    /// The daemon is killed, and another one starts.
    pub fn kill(&mut self) {
        (self.key, self.session) = (None, None);
        if self.auditor.is_some() {
            match self.link.clone() {
                Some(Kept { log, seq, key }) => self.begin_key(Some(Linked::Link { log, seq }), Some(key)),
                None => self.begin_key(None, None),
            }
        }
        self.record(Event::Start, None);
        self.sync();
    }

    /// The active file is full.
    pub fn rotate(&mut self) {
        self.rotate_for(self.auditor);
    }

    /// A crash comes when a file was filled and the next not yet begun.
    pub fn rotate_and_die(&mut self) {
        self.close_file();
        self.key = None;
        self.header(None);
        self.kill();
    }

    /// The oldest file is deleted as too old.
    pub fn retire(&mut self) {
        let next = &self.files[1].1;
        let line = next.split(|byte| *byte == b'\n').next().unwrap();
        let first = chain::read(line).unwrap().record;
        let by = format!("through {} {}", first.seq - 1, first.prev.unwrap());
        let record = Record { by: Some(by.into()), ..self.stamped(Event::Retire) };
        self.write(record, self.key);
        self.files.remove(0);
    }

    pub fn link_now(&self) -> Option<Kept> {
        self.key.map(|key| Kept { log: self.id, seq: self.head.seq, key: *seal::link(&key) })
    }

    fn rotate_for(&mut self, auditor: Option<Hex<32>>) {
        self.close_file();
        self.auditor = auditor;
        self.header(None);
    }

    fn close_file(&mut self) {
        let active = self.files.last_mut().unwrap();
        active.0 = files::full_name(self.first);
        self.first = self.head.seq + 1;
        self.files.push((files::ACTIVE.to_owned(), Vec::new()));
    }

    fn header(&mut self, after: Option<After>) {
        let log = Log { format: FORMAT, id: self.id, auditor: self.auditor, after };
        let record = Record { log: Some(log), ..self.stamped(Event::Log) };
        self.write(record, self.key);
    }

    /// A key record, with this in its seal; and its key.
    pub fn begin_key(&mut self, linked: Option<Linked>, with: Option<[u8; 32]>) {
        let Some(auditor) = self.auditor else { return };
        let fresh = self.draw();
        let sealed = Hex(seal::seal(&auditor.0, &fresh, &self.draw()).unwrap());
        let record = Record { key: Some(Key { auditor, sealed, linked }), ..self.stamped(Event::Seal) };
        self.key = None;
        self.write(record, with);
        self.key = Some(fresh);
    }

    fn write(&mut self, record: Record<'_>, key: Option<[u8; 32]>) {
        let file = &mut self.files.last_mut().unwrap().1;
        self.head = chain::write(&self.head, record, None, key.as_ref(), file).unwrap();
        if let Some(key) = &mut self.key {
            seal::step(key);
        }
    }

    fn stamped(&self, event: Event) -> Record<'static> {
        let seconds = 1_790_000_000 + self.head.seq * 60;
        Record {
            time: glassdome_audit::time(std::time::Duration::from_secs(seconds)).into(),
            boot_ms: self.head.seq * 60_000,
            session: self.session,
            ..Record::new(event, Outcome::Allowed)
        }
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut bytes = [0x5a; 32];
        bytes[..8].copy_from_slice(&self.drawn.to_le_bytes());
        // Spread, so that boxes differ in every byte.
        for n in 8..32 {
            bytes[n] = bytes[n - 8].wrapping_mul(31).wrapping_add(bytes[n - 1]).wrapping_add(17);
        }
        bytes
    }
}
