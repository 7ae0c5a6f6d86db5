# Glassdome in zsh's prompt: 🔓 6h12, in the last five minutes ⚠ 4m, paused ⏸, locked 🔒, and nothing where no
# daemon runs. No process is started: a line is read that the daemon keeps, if
# ~/.config/glassdome/config.toml says
#     state_file = true
# Load it at the end of ~/.zshrc, with   eval "$(ctl shell-init zsh --prompt)"   or by sourcing this file.
# Before that, glassdome_ascii=1 has it in ASCII; glassdome_place=0 leaves PROMPT alone: put $glassdome_segment
# where you like. What it says is to look at, not to rely on: any program of yours can forge the line.
zmodload zsh/datetime
typeset -g glassdome_segment= __glassdome_shown=

# Sets glassdome_segment. What is read is compared and counted with, and never shown.
function __glassdome_segment {
    emulate -L zsh
    local file line left minutes
    local -a told running icons=(🔓 ⚠ ⏸ 🔒)
    glassdome_segment=
    if [[ -n ${GLASSDOME_SOCKET-} ]]; then
        file=$GLASSDOME_SOCKET.state
    elif [[ ${XDG_RUNTIME_DIR-} == /* ]]; then
        file=$XDG_RUNTIME_DIR/glassdome/daemon.sock.state
    elif [[ -d /run/user/$EUID ]]; then
        file=/run/user/$EUID/glassdome/daemon.sock.state
    else
        file=/tmp/glassdome-$EUID/daemon.sock.state
    fi
    [[ -f $file && -O $file ]] || return 0
    # No more of it than such a line may have, and no process for that. The words: state, until, process, its start.
    read -r -k 200 -u 0 line <$file
    told=(${=line})
    [[ ${told[1]-} == (unlocked|paused|locked) ]] && (( $#told >= 4 )) &&
        [[ $told[2]$told[3]$told[4] != *[^0123456789]* ]] || return 0
    # The process that wrote it: one of that number that started then, and still has memory (proc_pid_stat(5),
    # fields 22 and 23; behind the name, the third is the first).
    [[ -r /proc/$told[3]/stat ]] || return 0
    running=(${=${"$(</proc/$told[3]/stat)"##*\)}})
    [[ ${running[20]-} == $told[4] && ${running[21]-0} != 0 ]] || return 0
    [[ ${glassdome_ascii-0} == 0 ]] || icons=(U '!' P L)
    left=$(( 10#${told[2][1,12]} - EPOCHSECONDS )) minutes=$(( left / 60 ))
    if [[ $told[1] == locked ]] || (( left <= 0 )); then
        glassdome_segment="$icons[4] "
        return 0
    elif [[ $told[1] == paused ]]; then
        glassdome_segment=$icons[3]
    elif (( left > 300 )); then
        glassdome_segment=$icons[1]
    else
        glassdome_segment=$icons[2]
    fi
    if (( minutes >= 60 )); then
        glassdome_segment+=" $(( minutes / 60 ))h${(l:2::0:)$(( minutes % 60 ))} "
    elif (( minutes > 0 )); then
        glassdome_segment+=" ${minutes}m "
    else
        glassdome_segment+=' <1m '
    fi
}

# Before each prompt. Without the option prompt_subst, which would have zsh evaluate the rest of PROMPT too:
# the segment stands in it as text, and is replaced by the next one.
function __glassdome_prompt {
    local code=$?
    __glassdome_segment
    if [[ ${glassdome_place-1} != 0 ]]; then
        PROMPT=$glassdome_segment${PROMPT#"$__glassdome_shown"}
        __glassdome_shown=$glassdome_segment
    fi
    return $code
}

autoload -Uz add-zsh-hook
add-zsh-hook precmd __glassdome_prompt
