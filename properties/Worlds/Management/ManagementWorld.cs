using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A small host with VMs that have management devices.</summary>
internal sealed class ManagementWorld : IDisposable
{
    /// <summary>By how many bytes the folder of each VM may grow, unless a test grants something else.</summary>
    public const ulong QuotaBytes = 400;

    private readonly List<ManagementGuest> _guests = [];

    public ManagementWorld(int guests = 2, Func<int, ManagementGrant>? grant = null)
    {
        Host = new(new() { MemoryBytes = 4 << 20, VmmBytes = 2 << 20 });
        Core = new(Host);
        for (int number = 0; number < guests; number++)
        {
            MemoryFolder folder = new();
            Folders.Add(folder);
            Grants.Add(grant?.Invoke(number) ?? new() { Folder = folder, QuotaBytes = QuotaBytes });
            VirtualMachine machine = Host.CreateMachine($"VM {number + 1}", ManagementGuest.MemoryBytes);
            ManagementDevice device = Core.Plug(machine, 4, Grants[number]);
            _guests.Add(new(machine, device));
        }

        Host.Loop.RunFor(1_000);
    }

    public Host Host { get; }

    public ManagementCore Core { get; private set; }

    public List<MemoryFolder> Folders { get; } = [];

    public List<ManagementGrant> Grants { get; } = [];

    public IReadOnlyList<ManagementGuest> Guests => _guests;

    public ManagementGuest this[int number] => _guests[number];

    public void Dispose() => Host.Dispose();

    /// <summary>Another core goes on where this one stopped.</summary>
    public void HandOver() => Core = new(Host, Core.HandOver());

    /// <summary>The core fails; nobody serves until <see cref="Recover"/>.</summary>
    public void Fail() => Core.Fail();

    /// <summary>Another core begins with nothing.</summary>
    public void Recover()
    {
        Core = new(Host);
        for (int number = 0; number < _guests.Count; number++)
        {
            if (_guests[number].Machine.IsRunning)
                _ = Core.Attach(_guests[number].Machine, _guests[number].Device, Grants[number]);
        }
    }

    public void Destroy(int number) => Host.Loop.Run(() => Host.Destroy(_guests[number].Machine).AsTask());
}
