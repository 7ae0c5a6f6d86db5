# Glassdome in bash's prompt (bash 4.4 or later): 🔓 6h12, in the last five minutes ⚠ 4m, paused ⏸, locked 🔒,
# and nothing where no daemon runs. No process is started: a line is read that the daemon keeps, if
# ~/.config/glassdome/config.toml says
#     state_file = true
# Load it at the end of ~/.bashrc, with   eval "$(ctl shell-init bash --prompt)"   or by sourcing this file.
# Before that, glassdome_ascii=1 has it in ASCII; glassdome_place=0 leaves PS1 alone: put $glassdome_segment
# where you like. What it says is to look at, not to rely on: any program of yours can forge the line.
glassdome_segment=

# Sets glassdome_segment. What is read is compared and counted with, and never shown.
function __glassdome_segment {
    local IFS=' ' file state until pid start rest running left minutes icons=(🔓 ⚠ ⏸ 🔒)
    glassdome_segment=
    if [[ ${GLASSDOME_SOCKET-} ]]; then
        file=$GLASSDOME_SOCKET.state
    elif [[ ${XDG_RUNTIME_DIR-} == /* ]]; then
        file=$XDG_RUNTIME_DIR/glassdome/daemon.sock.state
    elif [[ -d /run/user/$EUID ]]; then
        file=/run/user/$EUID/glassdome/daemon.sock.state
    else
        file=/tmp/glassdome-$EUID/daemon.sock.state
    fi
    [[ -f $file && -O $file ]] && read -r state until pid start rest <"$file" || return 0
    [[ $until && $pid && $start && $until$pid$start != *[!0123456789]* ]] || return 0
    # The process that wrote it: one of that number that started then, and still has memory (proc_pid_stat(5),
    # fields 22 and 23). The daemon's name has no blanks.
    [[ -r /proc/$pid/stat ]] && mapfile -t -d ' ' -s 21 -n 2 running <"/proc/$pid/stat" || return 0
    [[ ${running[0]-} == "$start" && ${running[1]-0} != 0 ]] || return 0
    [[ ${glassdome_ascii-0} == 0 ]] || icons=(U '!' P L)
    printf -v left '%(%s)T' -1
    left=$((10#${until:0:12} - left)) minutes=$((left / 60))
    case $state in
    locked) glassdome_segment="${icons[3]} " ;;
    unlocked | paused)
        if ((left <= 0)); then
            glassdome_segment="${icons[3]} "
        elif [[ $state == paused ]]; then
            glassdome_segment="${icons[2]} "
        elif ((minutes >= 60)); then
            printf -v glassdome_segment '%s %dh%02d ' "${icons[0]}" $((minutes / 60)) $((minutes % 60))
        elif ((left > 300)); then
            glassdome_segment="${icons[0]} ${minutes}m "
        elif ((minutes > 0)); then
            glassdome_segment="${icons[1]} ${minutes}m "
        else
            glassdome_segment="${icons[1]} <1m "
        fi
        ;;
    esac
}

# Before each prompt. The last command's exit code stays what it is.
function __glassdome_prompt {
    local code=$?
    __glassdome_segment
    if [[ ${glassdome_place-1} != 0 && ${PS1-} != '${glassdome_segment-}'* ]]; then
        PS1='${glassdome_segment-}'${PS1-}
    fi
    return $code
}

if [[ ${PROMPT_COMMAND[*]-} != *__glassdome_prompt* ]]; then
    if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
        PROMPT_COMMAND+=(__glassdome_prompt)
    else
        PROMPT_COMMAND=${PROMPT_COMMAND-}${PROMPT_COMMAND:+$'\n'}__glassdome_prompt
    fi
fi
