"""Packs a Python for an image into a tar on stdout: the interpreter that runs this, the modules that the programs beside it import,
the libraries of both, and the programs themselves at the root. No image of a hub is needed for it, nor a compiler."""

import glob
import os
import re
import subprocess
import sys
import tarfile

import agent
import encodings.idna  # what sockets import when they are given a name
import portainer_agent

PROGRAMS = (agent, portainer_agent, portainer_agent.portainer)
interpreter = os.path.realpath(sys.executable)


def libraries(file):
    return re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout)


def main():
    files = {module.__file__ for module in [*sys.modules.values()] if module not in PROGRAMS and getattr(module, "__file__", None)}
    files |= {interpreter, *glob.glob(os.path.dirname(encodings.__file__) + "/*.py")}
    for file in [*files]:
        if file == interpreter or file.endswith(".so"):
            files.update(libraries(file))
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", dereference=True) as tar:
        for file in sorted(files):
            tar.add(file)
        link = tarfile.TarInfo("bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, interpreter
        tar.addfile(link)
        for program in PROGRAMS:
            tar.add(program.__file__, os.path.basename(program.__file__))


main()
