# Names of secrets.
complete -c ctl -n '__fish_seen_subcommand_from get set info rm mv history restore log' -f -a '(ctl complete-names 2>/dev/null)'
complete -c glassdome -w ctl
