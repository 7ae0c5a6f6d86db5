# Names of secrets. Each is compared as it is and quoted for the line; nothing in it is expanded.
_glassdome_with_names() {
    local cur=${COMP_WORDS[COMP_CWORD]} name
    case ${COMP_WORDS[1]-} in
    get | set | info | rm | mv | history | restore | log)
        if [[ $COMP_CWORD -ge 2 && $cur != -* && ${COMP_WORDS[COMP_CWORD - 1]} != --* ]]; then
            COMPREPLY=()
            while IFS= read -r name; do
                if [[ $name == "$cur"* ]]; then
                    printf -v name %q "$name"
                    COMPREPLY+=("$name")
                fi
            done < <("${COMP_WORDS[0]}" complete-names 2>/dev/null)
            return
        fi
        ;;
    esac
    _ctl "$@"
}
complete -F _glassdome_with_names -o nosort -o bashdefault -o default ctl glassdome
