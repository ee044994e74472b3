# Completion of vmlife for fish 3.1 or newer. vmlife itself tells what may come next.

function __vmlife_complete
    set --local before (commandline --current-process --tokenize --cut-at-cursor)
    set --local current (commandline --current-token --cut-at-cursor)
    LIBVIRT_AUTOSTART=0 VMLIFE_COMPLETE=fish vmlife -- $before "$current" 2>/dev/null
end

complete --command vmlife --keep-order --no-files --arguments '(__vmlife_complete)'
