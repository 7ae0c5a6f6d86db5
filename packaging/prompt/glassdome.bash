# Glassdome in bash's prompt (bash 4.4 or later): 🔓 6h12, in the last five minutes ⚠ 4m, paused ⏸, locked 🔒,
# and nothing where no daemon runs. No process is started: a line is read that the daemon keeps, if
# ~/.config/glassdome/config.toml says
#     state_file = true
# Load it at the end of ~/.bashrc, with   eval "$(ctl shell-init bash --prompt)"   or by sourcing this file.
# Before that, glassdome_ascii=1 has it in ASCII; glassdome_place=0 leaves PS1 alone: put $glassdome_segment
# where you like. What it says is to look at, not to rely on: any program of yours can forge the line.
glassdome_segment='' __glassdome_text='' __glassdome_line='' __glassdome_start='' __glassdome_stands=''
__glassdome_known='' __glassdome_mark='' __glassdome_where='' __glassdome_from=0 __glassdome_till=0
__glassdome_icons=(🔓 ⚠ ⏸ 🔒)
[[ ${glassdome_ascii-0} == 0 ]] || __glassdome_icons=(U '!' P L)

# Sets glassdome_segment. A prompt is to be there at once: what was read is remembered, and is so for as long as
# the file stands that the line names, and the process that wrote it has files open. One of the same number that
# came later is younger than that file.
function __glassdome_segment {
    if [[ ${GLASSDOME_SOCKET-}:${XDG_RUNTIME_DIR-} == "$__glassdome_where" && -s /proc/$__glassdome_known/fd &&
        ! /proc/$__glassdome_known -nt $__glassdome_mark ]] || __glassdome_look; then
        ((BASH_VERSINFO[0] > 4)) || printf -v EPOCHSECONDS '%(%s)T' -1
        ((__glassdome_from <= EPOCHSECONDS && EPOCHSECONDS < __glassdome_till)) || __glassdome_draw
        glassdome_segment=$__glassdome_text
    else
        glassdome_segment=
    fi
}

# Reads the line, and whether the process that wrote it lives. What is read is compared and counted with, and
# never shown.
function __glassdome_look {
    local REPLY= running
    __glassdome_known= __glassdome_where=${GLASSDOME_SOCKET-}:${XDG_RUNTIME_DIR-}
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
    [[ -f $__glassdome_file && -O $__glassdome_file ]] && read -r -d '' -n 200 <"$__glassdome_file" ||
        [[ $REPLY ]] || return 1
    [[ $REPLY == "$__glassdome_line" ]] || __glassdome_take "$REPLY"
    # The process that wrote it: one of that number that started then, and still has memory (proc_pid_stat(5),
    # fields 22 and 23). The daemon's name has no blanks.
    [[ $__glassdome_start && -e /proc/$__glassdome_pid/stat ]] &&
        mapfile -t -d ' ' -s 21 -n 2 running <"/proc/$__glassdome_pid/stat" || return 1
    [[ ${running-} == "$__glassdome_start" && ${running[1]-0} != 0 ]] || return 1
    [[ ! $__glassdome_stands ]] ||
        __glassdome_known=$__glassdome_pid __glassdome_mark=$__glassdome_file.$__glassdome_stands
}

# Takes what was read apart; of what is not as it should be nothing is kept.
function __glassdome_take {
    local - IFS=$' \n'
    set -f
    __glassdome_line=$1 __glassdome_start= __glassdome_stands= __glassdome_till=0
    set -- $1
    case ${1-} in unlocked | paused | locked) ;; *) return 0 ;; esac
    [[ ${2-} && ${3-} && ${4-} && $2$3$4 != *[!0123456789]* && ${#2} -le 12 ]] || return 0
    __glassdome_word=$1 __glassdome_until=$((10#$2)) __glassdome_pid=$3 __glassdome_start=$4
    [[ ${5-} == *[!0123456789-]* ]] || __glassdome_stands=${5-}
}

# The text for the line, and from when until when it is the same.
function __glassdome_draw {
    local left minutes
    ((left = __glassdome_until - EPOCHSECONDS, __glassdome_from = EPOCHSECONDS, minutes = left / 60, 1))
    if [[ $__glassdome_word == locked ]] || ((left <= 0)); then
        __glassdome_text="${__glassdome_icons[3]} "
        ((__glassdome_till = EPOCHSECONDS + 60))
        return 0
    elif [[ $__glassdome_word == paused ]]; then
        __glassdome_text=${__glassdome_icons[2]}
    elif ((left > 300)); then
        __glassdome_text=${__glassdome_icons[0]}
    else
        __glassdome_text=${__glassdome_icons[1]}
    fi
    if ((minutes >= 60)); then
        left=0$((minutes % 60))
        __glassdome_text+=" $((minutes / 60))h${left: -2} "
    elif ((minutes > 0)); then
        __glassdome_text+=" ${minutes}m "
    else
        __glassdome_text+=' <1m '
    fi
    # Up to the last second of this minute; the icon changes in the first of one, and what ends is locked.
    ((left = minutes == 5 ? 301 : minutes ? minutes * 60 : 1, __glassdome_till = __glassdome_until - left + 1))
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
