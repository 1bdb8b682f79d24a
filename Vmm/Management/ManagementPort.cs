namespace Dma.Vmm;

/// <summary>All that a management core knows of one VM.</summary>
internal sealed class ManagementPort
{
    private readonly ulong _nsPerRequest;
    private ulong _restedUntilNs;

    public ManagementPort(VirtualMachine machine, ManagementDevice device, ManagementGrant grant, uint number, ManagementTransfers transfers)
    {
        (Machine, Device, Grant, Number, Generation, Transfers) = (machine, device, grant, number, device.Generation, transfers);
        _nsPerRequest = Math.Max(1_000_000ul / (ulong)Math.Max(grant.RequestsPerMillisecond, 1), 1);
        Counts = new(machine.Name, number);
    }

    public VirtualMachine Machine { get; }

    public ManagementDevice Device { get; }

    public ManagementGrant Grant { get; }

    /// <summary>Who it is for others.</summary>
    public uint Number { get; }

    /// <summary>Who copies for it: the core that serves it now.</summary>
    public ManagementTransfers Transfers { get; set; }

    /// <summary>The generation of the device that this state belongs to.</summary>
    public uint Generation { get; set; }

    /// <summary>Bytes by which its files may still grow.</summary>
    public ulong QuotaLeft
    {
        get => Device.QuotaLeft;
        set => Device.QuotaLeft = value;
    }

    public OpenFiles Files { get; } = new();

    public Inbox Inbox { get; } = new();

    public StatisticsRow Statistics { get; } = new();

    public ManagementCounts Counts { get; }

    /// <summary>Requests that were taken and wait for something.</summary>
    public List<TakenRequest> Parked { get; } = [];

    /// <summary>Whether requests can be taken: it lives, and nobody reset its device since.</summary>
    public bool IsCurrent => Machine.IsRunning && Device.Generation == Generation;

    /// <summary>When it may have its next request done: at once, unless it had more than its share.</summary>
    public ulong CreditAtNs(ulong nowNs) =>
        _restedUntilNs <= nowNs + (_nsPerRequest * (ManagementGrant.Burst - 1)) ? nowNs : _restedUntilNs - (_nsPerRequest * (ManagementGrant.Burst - 1));

    /// <summary>One request is done on its account.</summary>
    public void Spend(ulong nowNs) => _restedUntilNs = Math.Max(_restedUntilNs, nowNs) + _nsPerRequest;
}
