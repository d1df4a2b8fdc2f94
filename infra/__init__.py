"""The CDK app: one Stage per environment and region, with its stacks (DESIGN.md §5).

    config.py         what cdk.json may say, checked; longer sections in modules beside it (*_config.py)
    stage.py          which stacks a stage has, and in what order
    target.py         what may differ between AWS and the embedded AWS; local_target.py says how and why
    lock.py           requirements.lock, and which of its packages a file of requirements brings along
    packages.py       third-party packages, built when they are published and not when synthesising
    alarms/           every alarm, as data
    stacks/           thin: they only join capabilities
    capabilities/     one construct each

Nothing here looks anything up over the network; ``cdk synth`` needs no credentials.
"""
