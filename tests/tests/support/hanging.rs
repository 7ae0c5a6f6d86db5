//! A file that whoever looks at it waits for without end, from a moment on that somebody chooses: it lies on a file
//! system that stops answering.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use glassdome_tests::{Started, User, World, text, wait_until};

use crate::scripts::scripts;

/// The file system, as long as this is there.
pub struct Hanging {
    server: Option<Started>,
    directory: PathBuf,
}

impl Hanging {
    /// One that shows a file with this content, and answers until there is a file `stop`. Takes root.
    pub fn new(world: &World, content: &Path, stop: &Path) -> Self {
        let directory = world.top().join("hanging");
        fs::create_dir(&directory).expect("the world's directory takes one more");
        let script = scripts(world).join("hanging_fs.py");
        let args = [text(&script), text(&directory), text(content), text(stop)];
        let server = world.program(Path::new("/usr/bin/python3"), &args).as_user(User::Root);
        let server = Some(server.within(Duration::from_secs(120)).start());
        let hanging = Self { server, directory };
        assert!(wait_until(|| hanging.file().exists(), Duration::from_secs(10)), "it is mounted");
        hanging
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.directory.join("program")
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Whoever waits for it is let go.
        drop(self.server.take());
        Command::new("umount").arg("-l").arg(&self.directory).status().ok();
    }
}
