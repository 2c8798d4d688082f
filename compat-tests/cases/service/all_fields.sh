# about: a service with every field of its spec, as it is read back
# hosts: 1
swarm_init
docker network create -d overlay net
secret=$(run sh -c 'echo s | docker secret create sec -')
config=$(run sh -c 'echo c | docker config create conf -')
api POST /services/create "{\"Name\":\"all\",\"Labels\":{\"a\":\"b\"},\"Mode\":{\"Replicated\":{\"Replicas\":0}},
  \"UpdateConfig\":{\"Parallelism\":2,\"Delay\":1000000,\"FailureAction\":\"rollback\",\"Monitor\":2000000,\"MaxFailureRatio\":0.25,\"Order\":\"start-first\"},
  \"RollbackConfig\":{\"Parallelism\":3,\"Delay\":1000000,\"FailureAction\":\"continue\",\"Monitor\":2000000,\"MaxFailureRatio\":0.5,\"Order\":\"stop-first\"},
  \"EndpointSpec\":{\"Mode\":\"vip\",\"Ports\":[{\"Name\":\"web\",\"Protocol\":\"udp\",\"TargetPort\":80,\"PublishedPort\":8080,\"PublishMode\":\"host\"}]},
  \"TaskTemplate\":{\"ForceUpdate\":4,\"Runtime\":\"container\",\"LogDriver\":{\"Name\":\"local\",\"Options\":{\"max-size\":\"1m\"}},
  \"Networks\":[{\"Target\":\"net\",\"Aliases\":[\"other\"],\"DriverOpts\":{\"com.docker.network.endpoint.ifname\":\"net0\"}}],
  \"Placement\":{\"Constraints\":[\"node.role==manager\"],\"Preferences\":[{\"Spread\":{\"SpreadDescriptor\":\"node.labels.az\"}}],\"MaxReplicas\":3,
    \"Platforms\":[{\"Architecture\":\"amd64\",\"OS\":\"linux\"}]},
  \"RestartPolicy\":{\"Condition\":\"on-failure\",\"Delay\":1000000,\"MaxAttempts\":2,\"Window\":3000000},
  \"Resources\":{\"Limits\":{\"NanoCPUs\":1000000000,\"MemoryBytes\":16777216,\"Pids\":9},\"Reservations\":{\"NanoCPUs\":1000000,\"MemoryBytes\":4194304,
    \"GenericResources\":[{\"DiscreteResourceSpec\":{\"Kind\":\"gpu\",\"Value\":2}},{\"NamedResourceSpec\":{\"Kind\":\"fpga\",\"Value\":\"one\"}}]}},
  \"ContainerSpec\":{\"Image\":\"busybox\",\"Labels\":{\"c\":\"d\"},\"Command\":[\"sleep\"],\"Args\":[\"9\"],\"Hostname\":\"here\",\"Env\":[\"A=1\"],\"Dir\":\"/tmp\",
    \"User\":\"1:2\",\"Groups\":[\"3\"],\"Init\":true,\"StopSignal\":\"KILL\",\"TTY\":true,\"OpenStdin\":true,\"ReadOnly\":true,\"StopGracePeriod\":4000000,
    \"Privileges\":{\"CredentialSpec\":{\"File\":\"f\"},\"SELinuxContext\":{\"Disable\":true,\"User\":\"u\",\"Role\":\"r\",\"Type\":\"t\",\"Level\":\"l\"},
      \"Seccomp\":{\"Mode\":\"custom\",\"Profile\":\"e30=\"},\"AppArmor\":{\"Mode\":\"disabled\"},\"NoNewPrivileges\":true},
    \"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/a\",\"ReadOnly\":true,\"Consistency\":\"cached\",\"BindOptions\":{\"Propagation\":\"shared\",\"NonRecursive\":true}},
      {\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/b\",\"VolumeOptions\":{\"NoCopy\":true,\"Labels\":{\"e\":\"f\"},\"Subpath\":\"s\",\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"g\":\"h\"}}}},
      {\"Type\":\"tmpfs\",\"Target\":\"/c\",\"TmpfsOptions\":{\"SizeBytes\":5,\"Mode\":511,\"Options\":[[\"uid\",\"7\"],[\"exec\"]]}}],
    \"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],\"Interval\":1000000,\"Timeout\":2000000,\"StartPeriod\":3000000,\"StartInterval\":4000000,\"Retries\":5},
    \"Hosts\":[\"10.0.0.9 far\"],\"DNSConfig\":{\"Nameservers\":[\"10.0.0.8\"],\"Search\":[\"example.test\"],\"Options\":[\"ndots:2\"]},
    \"Secrets\":[{\"SecretID\":\"$secret\",\"SecretName\":\"sec\",\"File\":{\"Name\":\"s\",\"UID\":\"1\",\"GID\":\"2\",\"Mode\":256}}],
    \"Configs\":[{\"ConfigID\":\"$config\",\"ConfigName\":\"conf\",\"File\":{\"Name\":\"/c\",\"UID\":\"3\",\"GID\":\"4\",\"Mode\":292}}],
    \"Isolation\":\"default\",\"Sysctls\":{\"net.core.somaxconn\":\"9\"},\"CapabilityAdd\":[\"CAP_CHOWN\"],\"CapabilityDrop\":[\"CAP_KILL\"],
    \"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":9,\"Soft\":8}],\"OomScoreAdj\":-5}}}" >/dev/null
api GET /services/all
docker service inspect --pretty all
