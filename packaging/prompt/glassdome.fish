# Glassdome in fish's prompt (fish 3.5 or later): 🔓 6h12, in the last five minutes ⚠ 4m, paused ⏸, locked 🔒, and
# nothing where no daemon runs. No process is started: a line is read that the daemon keeps, if
# ~/.config/glassdome/config.toml says
#     state_file = true
# Load it at the end of ~/.config/fish/config.fish, with   ctl shell-init fish --prompt | source   or by sourcing
# this file. Before that, set -g glassdome_ascii 1 has it in ASCII; set -g glassdome_place 0 leaves fish_prompt
# alone: print $glassdome_segment where you like. What it says is to look at, not to rely on: any program of
# yours can forge the line.
set -g glassdome_segment ''

# Sets glassdome_segment. What is read is compared and counted with, and never shown.
function __glassdome_segment --on-event fish_prompt
    set -g glassdome_segment ''
    if test -n "$GLASSDOME_SOCKET"
        set -f file $GLASSDOME_SOCKET.state
    else if string match -q '/*' -- "$XDG_RUNTIME_DIR"
        set -f file $XDG_RUNTIME_DIR/glassdome/daemon.sock.state
    else if test -d /run/user/$EUID
        set -f file /run/user/$EUID/glassdome/daemon.sock.state
    else
        set -f file /tmp/glassdome-$EUID/daemon.sock.state
    end
    test -f $file -a -O $file; or return
    # No more of it than such a line may have.
    read -n 200 -l state until pid start rest <$file; or return
    string match -qr '^(unlocked|paused|locked) [0-9]{1,12} [0-9]+ [0-9]+$' -- "$state $until $pid $start"; or return
    # The process that wrote it: one of that number that started then, and still has memory (proc_pid_stat(5),
    # fields 22 and 23; behind the name, the third is the first).
    test -r /proc/$pid/stat; and read -l running </proc/$pid/stat; or return
    set running (string split ' ' -- (string replace -r '^.*\) ' '' -- $running))
    test "$running[20]" = $start -a "$running[21]" != 0; or return
    set -l icons 🔓 ⚠ ⏸ 🔒
    if set -q glassdome_ascii; and test "$glassdome_ascii" != 0
        set icons U ! P L
    end
    # fish has no clock of its own, but for the ages of files.
    set -l left (math $until - (path mtime -- $file) - (path mtime -R -- $file))
    set -l minutes (math -s0 $left / 60)
    if test $state = locked -o $left -le 0
        set glassdome_segment "$icons[4] "
        return
    else if test $state = paused
        set glassdome_segment $icons[3]
    else if test $left -gt 300
        set glassdome_segment $icons[1]
    else
        set glassdome_segment $icons[2]
    end
    if test $minutes -ge 60
        set glassdome_segment "$glassdome_segment "(math -s0 $minutes / 60)h(string sub -s -2 -- 0(math $minutes % 60))' '
    else if test $minutes -gt 0
        set glassdome_segment "$glassdome_segment $minutes"'m '
    else
        set glassdome_segment "$glassdome_segment <1m "
    end
end

# Around the prompt that is there. It is run in a substitution, where it still finds the last exit code.
if begin; not set -q glassdome_place; or test "$glassdome_place" != 0; end; and not functions -q __glassdome_fish_prompt
    functions -q fish_prompt; or function fish_prompt; end
    functions -c fish_prompt __glassdome_fish_prompt
    function fish_prompt
        set -l lines (__glassdome_fish_prompt)
        string join \n -- "$glassdome_segment$lines[1]" $lines[2..]
    end
end
