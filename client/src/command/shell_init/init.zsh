# Glassdome: a token that only this shell knows, handed to ctl by descriptor.
# It is made once, never exported, and read-only, so that `setopt all_export` cannot export it either. One
# that came with the environment is not ours.
if [[ ${(t)__glassdome_token-} == *export* ]]; then
    \builtin unset __glassdome_token
fi
if (( ! ${+__glassdome_token} )); then
    function __glassdome_make {
        { \builtin emulate -L zsh; \builtin unsetopt xtrace verbose } 2>/dev/null
        \builtin typeset -g +x __glassdome_token="$(\builtin command od -An -v -tx1 -N32 /dev/urandom)"
        __glassdome_token=${__glassdome_token//[^0-9a-f]/}
        if (( ${#__glassdome_token} != 64 )); then
            \builtin print -ru2 'glassdome: no token for this shell: /dev/urandom cannot be read with od'
            __glassdome_token=
        fi
        \builtin typeset -gr __glassdome_token
    }
    __glassdome_make
    \builtin unfunction __glassdome_make
fi
# Called in a subshell: a trace there does not show the token.
function __glassdome_run {
    { \builtin unsetopt xtrace verbose } 2>/dev/null
    if [[ -n ${__glassdome_token-} ]]; then
        \builtin command "$1" --token-fd <(\builtin printf %s "$__glassdome_token") "${@:2}"
    else
        \builtin command "$@"
    fi
}
function ctl { (__glassdome_run ctl "$@") }
function glassdome { (__glassdome_run glassdome "$@") }
function glassdome_start { (__glassdome_run glassdome_start "$@") }
