using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A VM whose device is polled, or traps, and what its software does to the registers.</summary>
internal sealed class PollingBench : IDisposable
{
    public const ulong PeriodNs = 2_000;

    private static readonly SourceId Place = new(0, 4, 0);

    public PollingBench(PolledAccess access, PollingOptions? options = null, int machines = 1, PolledRegisterMap? map = null, bool posts = false)
    {
        Host = new(new HostOptions { MemoryBytes = 48 << 20, VmmBytes = 32 << 20, Profile = HardwareProfile.Named(posts ? "friendly" : "minimal") });
        Host.Boot();
        Poller = new(Host, options ?? new PollingOptions { PeriodNs = PeriodNs, IdleTurnsMax = null });
        for (int number = 0; number < machines; number++)
        {
            VirtualMachine vm = Host.CreateMachine($"VM {number + 1}", 1 << 20);
            if (posts)
                vm.Delivery = InterruptDelivery.Posted;
            ClassDevice device = new();
            Polled.Add(Poller.Plug(vm, device, Place, access, map ?? ClassDevice.Map()));
            PciDevice found = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), Place, new IdentityDmaSpace(vm.Cpu, new(new GuestPhysicalAddress(0x80000), 0x80000)), 0x40);
            Devices.Add(device);
            Guests.Add(new ExitlessDevice(vm.Cpu, found));
            Windows.Add(Guests[number].OpenBar(0));
        }

        Host.Loop.RunFor(PeriodNs * 2);
    }

    public Host Host { get; }

    public RegisterPoller Poller { get; }

    public List<PolledRegisters> Polled { get; } = [];

    public List<ClassDevice> Devices { get; } = [];

    public List<ExitlessDevice> Guests { get; } = [];

    public List<IRegisterWindow> Windows { get; } = [];

    /// <summary>What the last program took.</summary>
    public ulong ExitsOfProgram { get; private set; }

    /// <summary>Plays a program in a VM, and lets what it left be found.</summary>
    public void Play(IEnumerable<PollingStep> program, int number = 0)
    {
        ulong before = Polled[number].Machine.Cpu.Processor.Meter[Cost.Exit];
        foreach (PollingStep step in program)
        {
            if (step.CauseBit is { } bit)
                Devices[number].Happen(bit);
            else
                Windows[number].Write32(step.Offset, step.Value);
            if (step.GapNs != 0)
                Host.Loop.RunFor(step.GapNs);
        }

        ExitsOfProgram = Polled[number].Machine.Cpu.Processor.Meter[Cost.Exit] - before;
        Host.Loop.RunFor(PeriodNs * 4);
    }

    public void Dispose() => Host.Dispose();
}

/// <summary>One step: a store of the guest, or a cause that arises in the device, and how long nothing happens then.</summary>
internal sealed record PollingStep(int Offset, uint Value, int? CauseBit, ulong GapNs);
