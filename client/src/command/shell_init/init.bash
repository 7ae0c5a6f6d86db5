# Glassdome: a token that only this shell knows, handed to ctl by descriptor.
# It is made once, never exported, and read-only, so that `set -a` cannot export it either. One that came
# with the environment is not ours.
if [[ ${__glassdome_token+is set} && ${__glassdome_token@a} != r ]]; then
    \unset -v __glassdome_token
fi
if [[ ! ${__glassdome_token+is set} ]]; then
    { [[ $- != *x* ]] || { __glassdome_trace=1; set +x; }; } 2>/dev/null
    __glassdome_token=$(\command od -An -v -tx1 -N32 /dev/urandom)
    __glassdome_token=${__glassdome_token//[!0-9a-f]/}
    if [[ ${#__glassdome_token} != 64 ]]; then
        \builtin printf 'glassdome: no token for this shell: /dev/urandom cannot be read with od\n' >&2
        __glassdome_token=
    fi
    \declare +x -r __glassdome_token
    [[ ! ${__glassdome_trace-} ]] || { \unset -v __glassdome_trace; set -x; }
fi
# Called in a subshell: $! and PIPESTATUS stay as they are, and a trace does not show the token.
function __glassdome_run {
    { set +xv; } 2>/dev/null
    if [[ ${__glassdome_token-} ]]; then
        \builtin command "$1" --token-fd <(\builtin printf %s "$__glassdome_token") "${@:2}"
    else
        \builtin command "$@"
    fi
}
function ctl { (__glassdome_run ctl "$@"); }
function glassdome { (__glassdome_run glassdome "$@"); }
function glassdome_start { (__glassdome_run glassdome_start "$@"); }
\export -nf __glassdome_run ctl glassdome glassdome_start
