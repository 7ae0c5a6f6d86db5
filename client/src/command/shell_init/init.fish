# Glassdome: a token that only this shell knows, handed to ctl by descriptor.
# It is made once and never exported. One that came with the environment is not ours.
if set -qgx __glassdome_token
    set -eg __glassdome_token
end
if not set -qg __glassdome_token
    begin
        set -l fish_trace
        set -gu __glassdome_token (command od -An -v -tx1 -N32 /dev/urandom | string replace -ra '[^0-9a-f]' '' | string join '')
        if test (string length -- "$__glassdome_token") != 64
            echo 'glassdome: no token for this shell: /dev/urandom cannot be read with od' >&2
            set -gu __glassdome_token
        end
    end
end
# fish has no process substitution without a file: the token comes on stdin, and stdin as descriptor 9.
# Two things do not work in fish: Ctrl-Z does not stop ctl, and with & it is waited for all the same, as is
# any function of fish.
function __glassdome_run
    set -l fish_trace
    if test -n "$__glassdome_token"
        begin
            builtin printf %s $__glassdome_token | command $argv[1] --token-fd 0 --stdin-fd 9 $argv[2..]
        end 9<&0
    else
        command $argv
    end
end
function ctl; __glassdome_run ctl $argv; end
function glassdome; __glassdome_run glassdome $argv; end
function glassdome_start; __glassdome_run glassdome_start $argv; end
