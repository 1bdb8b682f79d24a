using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Memory and a shared EHCI controller; each register set reaches a piece of memory of its own, as with an IOMMU, and owns the root port of the same number.</summary>
internal sealed class SharedBench : IDisposable, IBusShareObserver, IScheduleHost
{
    public const uint RegionBytes = 1 << 20;
    public const uint MicroframeNs = 125_000;

    private const int Command = 0x04;
    private const int Operational = 0x20;
    private const ushort MasterAndMemory = 0b110;

    private readonly PhysicalMemory _memory;

    public SharedBench(int sets, SharedEhciOptions? options = null)
    {
        _memory = new((ulong)(sets + 1) * RegionBytes);
        Host = new(new SystemBus(_memory), new Regions(this, new DirectFabric(_memory, new InterruptRouter(Loop))));
        Controller = new(Loop, (options ?? new()) with { SetCount = sets, RootPortCount = sets }) { Observer = this };
        Host.Add(Controller.Management, 0);
        for (int number = 0; number < sets; number++)
        {
            // More than 31 fill further functions; nobody here looks at what is grouped with what.
            Host.Add(Controller.Interfaces[number], 1 + (number % 31), number / 31);
            Controller.Interfaces[number].Configuration.Write(Command, 2, MasterAndMemory);
            Manage(EhciManagementOffsets.FirstPort + (4 * number), (uint)number);
        }
    }

    public EventLoop Loop { get; } = new();

    public PciHost Host { get; }

    public SharedEhciController Controller { get; }

    public int SetCount => Controller.Interfaces.Count;

    /// <summary>How the bus was used, in order.</summary>
    public List<BusUse> Uses { get; } = [];

    /// <summary>Called for each token.</summary>
    public Action<TokenUse> Token { get; set; } = static _ => { };

    /// <summary>Called when address 0 moves.</summary>
    public Action<int> ZeroMoved { get; set; } = static _ => { };

    /// <summary>Requests of a set for memory that is not its own.</summary>
    public int Strays { get; private set; }

    public bool IsAsyncActive => Status(0).AsyncActive;

    public ulong AsyncPosition => Register(0, EhciOperationalOffsets.AsyncListAddress);

    /// <summary>The addresses that drivers gave to devices whose addresses on the bus are taken, and the set of each.</summary>
    public IEnumerable<(int Set, byte Virtual)> KnownAddresses =>
        Enumerable.Range(1, 127).Select(real => Controller.AddressEntryOf((byte)real)).Where(entry => entry.State != AddressState.Free).Select(entry => (entry.Set, entry.Virtual));

    /// <summary>How many addresses of the bus are taken.</summary>
    public int TakenAddresses => KnownAddresses.Count();

    uint IScheduleHost.BaseOf(int set) => BaseOf(set);

    /// <summary>Whether the device at a port hears what is sent to an address.</summary>
    public static bool Hears(UsbPort port, byte address) => port is { Passes: true, Device: { } device } && device.Address == address;

    /// <summary>The devices behind a port that hear what is sent on the bus: not those behind the translator of a hub.</summary>
    public static IEnumerable<IUsbDevice> Reached(UsbPort port) => port is { Passes: true, Device: { Speed: UsbSpeed.High } device }
        ? device.Downstream.SelectMany(Reached).Prepend(device)
        : [];

    /// <summary>Plugs a device into each root port, which says by its tag whose it is.</summary>
    public TaggedDevice[] PlugTagged()
    {
        TaggedDevice[] devices = [.. Enumerable.Range(0, SetCount).Select(number => new TaggedDevice((byte)(number + 1)))];
        for (int number = 0; number < devices.Length; number++)
            Controller.Usb.Ports[number].Plug(devices[number]);
        return devices;
    }

    /// <summary>Bus time of a set, in nanoseconds, of the uses that are kept.</summary>
    public ulong TimeOf(int set) => (ulong)Uses.Where(use => use.Set == set).Sum(use => use.WireNs);

    /// <summary>Whether a set asks for its interrupt.</summary>
    public bool IsInterrupting(int set) => ((PciStatus)Controller.Interfaces[set].Configuration[PciOffset.Status] & PciStatus.InterruptStatus) != 0;

    public static uint BaseOf(int set) => (uint)(set + 1) * RegionBytes;

    public void Dispose() => _memory.Dispose();

    public void BusUsed(in BusUse use) => Uses.Add(use);

    public void TokenHandled(in TokenUse use) => Token(use);

    public void AddressZeroMoved(int owner, ulong nowNs) => ZeroMoved(owner);

    public void Manage(int offset, uint value) => Controller.Management.WriteBar(0, (ulong)offset, 4, value);

    public uint Managed(int offset) => (uint)Controller.Management.ReadBar(0, (ulong)offset, 4);

    public static int SetRegister(int set, int register) => EhciManagementOffsets.FirstSet + (set * EhciManagementOffsets.SetStride) + register;

    public uint Register(int set, int operational) => (uint)Controller.Interfaces[set].ReadBar(0, (ulong)(Operational + operational), 4);

    public void Register(int set, int operational, uint value) => Controller.Interfaces[set].WriteBar(0, (ulong)(Operational + operational), 4, value);

    public UsbStatus Status(int set) => new(new(Register(set, EhciOperationalOffsets.UsbStatus)));

    public T Read<T>(uint address)
        where T : unmanaged
    {
        Assert.True(_memory.TryRead(new PhysicalAddress(address), out T value));
        return value;
    }

    public void Write<T>(uint address, in T value)
        where T : unmanaged => Assert.True(_memory.TryWrite(new(address), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))));

    public byte[] ReadBytes(uint address, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(_memory.TryRead(new(address), bytes));
        return bytes;
    }

    /// <summary>The whole register window of a set.</summary>
    public uint[] Window(int set) => [.. Enumerable.Range(0, 0x28).Select(index => (uint)Controller.Interfaces[set].ReadBar(0, (ulong)(4 * index), 4))];

    // A requester reaches the memory of its own set, and the rest as through tables in which it is not present.
    private sealed class Regions(SharedBench bench, IDmaFabric inner) : IDmaFabric
    {
        public IDmaPort Open(SourceId source)
        {
            int set = -1;
            for (int number = 0; number < bench.SetCount; number++)
                set = bench.Controller.Interfaces[number].Source == source ? number : set;
            return new Port(bench, inner.Open(source), set);
        }
    }

    private sealed class Port(SharedBench bench, IDmaPort inner, int set) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) =>
            IsOwn(address, destination.Length) ? inner.Read(address, destination, attributes) : DmaStatus.Blocked;

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default) =>
            IsOwn(address, source.Length) ? inner.Write(address, source, attributes) : DmaStatus.Blocked;

        private bool IsOwn(Iova address, int length)
        {
            bool isOwn = set >= 0 && address.Value >= BaseOf(set) && address.Value + (ulong)length <= BaseOf(set) + RegionBytes;
            bench.Strays += isOwn ? 0 : 1;
            return isOwn;
        }
    }
}
