# A day's work of docker-py (Debian's python3-docker) against the engine at DOCKER_HOST. Prints one JSON object: what was seen.
import io
import json
import tarfile

import docker

client = docker.from_env()
seen = {"api": client.version()["ApiVersion"], "ping": client.ping()}
seen["run"] = client.containers.run("busybox", "echo hi", remove=True).decode()
try:
    client.containers.run("busybox", 'sh -c "exit 3"', remove=True)
except docker.errors.ContainerError as error:
    seen["exit"] = error.exit_status

box = client.containers.run(
    "busybox", ["sh", "-c", "echo started; while :; do sleep 0.1; done"],
    detach=True, name="py", labels={"a": "b"}, mem_limit="64m", environment={"X": "1"},
)
box.reload()
seen["status"] = [box.status, box.labels]
result = box.exec_run('sh -c "echo $X; exit 4"')
seen["exec"] = [result.exit_code, result.output.decode()]
out, err = box.exec_run('sh -c "echo out; echo err >&2"', demux=True).output
seen["demux"] = [out.decode(), err.decode()]
seen["memory"] = box.stats(stream=False)["memory_stats"]["limit"]
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as archive:
    entry = tarfile.TarInfo("file")
    entry.size = 3
    archive.addfile(entry, io.BytesIO(b"abc"))
seen["put"] = box.put_archive("/tmp", packed.getvalue())
parts, stat = box.get_archive("/tmp/file")
with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
    seen["get"] = [stat["size"], archive.extractfile("file").read().decode()]
seen["diff"] = any(change["Path"] == "/tmp/file" for change in box.diff())
seen["top"] = box.top()["Titles"][:2]
box.pause()
box.reload()
seen["paused"] = box.status
box.unpause()
box.rename("py2")
seen["logs"] = box.logs().decode()
seen["commit"] = box.commit("py-image", "v1").tags
box.stop(timeout=0)
seen["wait"] = box.wait()["StatusCode"]
box.remove()
client.images.remove("py-image:v1")

network = client.networks.create("py-net", driver="bridge")
named = client.containers.run("busybox", "sleep 100", detach=True, network="py-net", name="py-named")
seen["name"] = b"1 packets received" in client.containers.run("busybox", "ping -c 1 py-named", network="py-net", remove=True)
named.remove(force=True)
network.remove()

volume = client.volumes.create("py-volume")
mounts = {"py-volume": {"bind": "/v", "mode": "rw"}}
client.containers.run("busybox", "touch /v/kept", volumes=mounts, remove=True)
seen["volume"] = client.containers.run("busybox", "ls /v", volumes=mounts, remove=True).decode()
volume.remove()

image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo built >/b\nCMD cat /b\n"), tag="py-built", rm=True)
seen["build"] = client.containers.run("py-built", remove=True).decode()
client.images.remove("py-built")

cat = client.containers.create("busybox", "cat", stdin_open=True)
stream = cat.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
cat.start()
stream._sock.send(b"typed\n")
seen["attach"] = stream._sock.recv(100)[8:].decode()
cat.remove(force=True)
seen["left"] = [len(client.containers.list(all=True)), len(client.volumes.list())]
print(json.dumps(seen))
