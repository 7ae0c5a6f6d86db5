# Glassdome in bash's prompt (bash 4.4 or later): 🔓 6h12, in the last five minutes ⚠ 4m, paused ⏸, locked 🔒,
# and nothing where no daemon runs. No process is started: a line is read that the daemon keeps, if
# ~/.config/glassdome/config.toml says
#     state_file = true
# Load it at the end of ~/.bashrc, with   eval "$(ctl shell-init bash --prompt)"   or by sourcing this file.
# Before that, glassdome_ascii=1 has it in ASCII; glassdome_place=0 leaves PS1 alone: put $glassdome_segment
# where you like. What it says is to look at, not to rely on: any program of yours can forge the line.
glassdome_segment='' __glassdome_line='' __glassdome_start=''
__glassdome_icons=(🔓 ⚠ ⏸ 🔒)
[[ ${glassdome_ascii-0} == 0 ]] || __glassdome_icons=(U '!' P L)

# Sets glassdome_segment. What is read is compared and counted with, and never shown. There are few local
# variables, and a line is taken apart once: a prompt is to be there at once.
function __glassdome_segment {
    glassdome_segment=
    if [[ ${GLASSDOME_SOCKET-} ]]; then
        __glassdome_file=$GLASSDOME_SOCKET.state
    elif [[ ${XDG_RUNTIME_DIR-} == /* ]]; then
        __glassdome_file=$XDG_RUNTIME_DIR/glassdome/daemon.sock.state
    elif [[ -d /run/user/$EUID ]]; then
        __glassdome_file=/run/user/$EUID/glassdome/daemon.sock.state
    else
        __glassdome_file=/tmp/glassdome-$EUID/daemon.sock.state
    fi
    # Up to a NUL (read would leave those out, and count none of them), a length or the end: the line is far shorter.
    REPLY=
    [[ -f $__glassdome_file && -O $__glassdome_file ]] && IFS= read -r -d '' -n 200 REPLY <"$__glassdome_file" ||
        [[ $REPLY ]] || return 0
    [[ $REPLY == "$__glassdome_line" ]] || __glassdome_take "$REPLY"
    # The process that wrote it: one of that number that started then, and still has memory (proc_pid_stat(5),
    # fields 22 and 23). The daemon's name has no blanks.
    [[ $__glassdome_start && -e /proc/$__glassdome_pid/stat ]] &&
        mapfile -t -d ' ' -s 21 -n 2 __glassdome_running <"/proc/$__glassdome_pid/stat" || return 0
    [[ ${__glassdome_running-} == "$__glassdome_start" && ${__glassdome_running[1]-0} != 0 ]] || return 0
    ((BASH_VERSINFO[0] > 4)) || printf -v EPOCHSECONDS '%(%s)T' -1
    ((REPLY = __glassdome_until - EPOCHSECONDS, 1))
    if [[ $__glassdome_word == locked ]] || ((REPLY <= 0)); then
        glassdome_segment="${__glassdome_icons[3]} "
        return 0
    elif [[ $__glassdome_word == paused ]]; then
        glassdome_segment=${__glassdome_icons[2]}
    elif ((REPLY > 300)); then
        glassdome_segment=${__glassdome_icons[0]}
    else
        glassdome_segment=${__glassdome_icons[1]}
    fi
    if ((REPLY >= 3600)); then
        __glassdome_minutes=0$((REPLY / 60 % 60))
        glassdome_segment+=" $((REPLY / 3600))h${__glassdome_minutes: -2} "
    elif ((REPLY >= 60)); then
        glassdome_segment+=" $((REPLY / 60))m "
    else
        glassdome_segment+=' <1m '
    fi
}

# Takes what was read apart; of what is not as it should be nothing is kept.
function __glassdome_take {
    local - IFS=$' \n'
    set -f
    __glassdome_line=$1 __glassdome_start=
    set -- $1
    case ${1-} in unlocked | paused | locked) ;; *) return 0 ;; esac
    [[ ${2-} && ${3-} && ${4-} && $2$3$4 != *[!0123456789]* && ${#2} -le 12 ]] || return 0
    __glassdome_word=$1 __glassdome_until=$((10#$2)) __glassdome_pid=$3 __glassdome_start=$4
}

# Before each prompt. The last command's exit code stays what it is.
function __glassdome_prompt {
    local code=$? REPLY
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
