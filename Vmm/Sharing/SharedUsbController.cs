using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>A USB controller with a register set for each VM, as the VMM shares it out: ports, bus time and device addresses.</summary>
/// <remarks>
/// Each register set is a device of its own: it goes to a VM and comes back by its <see cref="Assignment"/>, and the driver of
/// the guest finds an ordinary controller. What is decided here goes through the registers of the management function,
/// which no guest has.
/// </remarks>
public sealed class SharedUsbController
{
    /// <summary>Periodic time in a microframe that all sets together may be promised, in nanoseconds: 80 % (USB 2.0, bus access constraints).</summary>
    public const uint PeriodicNsMax = 100_000;

    private const uint NoSet = 0xFF;

    private readonly Host _host;
    private readonly RealFunction _function;
    private readonly DeviceInterrupt _interrupt;

    private SharedUsbController(Host host, RealFunction function, DeviceInterrupt interrupt)
    {
        (_host, _function, _interrupt) = (host, function, interrupt);
        uint counts = Read(EhciManagementOffsets.Counts);
        (SetCount, PortCount) = ((int)(counts & 0xFF), (int)((counts >> 8) & 0xFF));
    }

    /// <summary>Register sets: so many VMs can have the controller.</summary>
    public int SetCount { get; }

    /// <summary>Root ports.</summary>
    public int PortCount { get; }

    /// <summary>Who chooses device addresses on the bus; null where they are not replaced.</summary>
    public AddressAssignment? Addresses => Read(EhciManagementOffsets.AddressCapability) is var capability && (capability & 1) != 0
        ? (AddressAssignment)((capability >> 1) & 3)
        : null;

    /// <summary>Device addresses that the VMM chose, each by one exit of the guest.</summary>
    public ulong AddressesChosen { get; private set; }

    /// <summary>How asynchronous time is shared out.</summary>
    public SharingPolicy Policy
    {
        get => (SharingPolicy)Read(EhciManagementOffsets.Policy);
        set => Write(EhciManagementOffsets.Policy, (uint)value);
    }

    /// <summary>Nanoseconds of a turn in deficit round robin, 1,000 to 1,000,000.</summary>
    public uint QuantumNs
    {
        get => Read(EhciManagementOffsets.Quantum);
        set => Write(EhciManagementOffsets.Quantum, value);
    }

    /// <summary>Takes the management function of a controller over, and answers what it asks from then on.</summary>
    /// <param name="host">A host that was booted.</param>
    /// <param name="management">Where the function is.</param>
    /// <returns><c>null</c> where no such function answers there, or the host has no interrupt vector left.</returns>
    /// <exception cref="DeviceException">Its configuration space is malformed.</exception>
    public static async ValueTask<SharedUsbController?> Start(Host host, SourceId management)
    {
        IConfigurationAccess space = host.Configuration.Open(management);
        if (space.Read16(PciOffset.VendorId) == ushort.MaxValue)
            return null;
        RealFunction function = new(host, management, new(space));
        function.Restore();
        if (function.ReadBar(0, EhciManagementOffsets.Id, 4) != EhciManagementOffsets.IdValue
            || DeviceInterrupt.TryTake(host, management) is not { } interrupt)
            return null;
        await interrupt.Route();
        function.SendTo(interrupt.Message);
        function.SetBusMaster(true);
        SharedUsbController controller = new(host, function, interrupt);
        controller.Write(EhciManagementOffsets.InterruptEnable, 1);
        controller.Serve();
        return controller;
    }

    /// <summary>The device by which a VM gets a register set.</summary>
    /// <param name="set">From 0 on.</param>
    public Assignment AssignmentOf(int set) =>
        _host.AssignmentOf(new((ushort)Read(SetRegister(set, EhciManagementOffsets.Requester))));

    /// <summary>Gives a register set to a VM, and root ports to the set.</summary>
    /// <param name="set">From 0 on.</param>
    /// <param name="machine">The VM.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    /// <param name="ports">Root ports that shall be its own, from 1 on.</param>
    public async ValueTask<AssignmentResult> Give(int set, VirtualMachine machine, SourceId guestAddress, params IReadOnlyList<int> ports)
    {
        AssignmentResult result = await AssignmentOf(set).Assign(machine, guestAddress);
        foreach (int port in result.IsDone ? ports : [])
            _ = TryMovePort(port, set);
        return result;
    }

    /// <summary>Takes a register set back from its VM, with its ports.</summary>
    /// <param name="set">From 0 on.</param>
    public async ValueTask<AssignmentResult> TakeBack(int set)
    {
        AssignmentResult result = await AssignmentOf(set).TakeBack();
        for (int port = 1; port <= PortCount; port++)
        {
            if (OwnerOf(port) == set)
                _ = TryMovePort(port, null);
        }

        return result;
    }

    /// <summary>The register set that a root port belongs to, or null.</summary>
    /// <param name="port">From 1 on.</param>
    public int? OwnerOf(int port) => Read(PortRegister(port)) is var owner && owner == NoSet ? null : (int)owner;

    /// <summary>Moves a root port to a set: its guest sees a device come, and the guest before sees it go.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="set">From 0 on; null for none.</param>
    /// <returns><c>false</c> where the set shows another port at that place already.</returns>
    public bool TryMovePort(int port, int? set)
    {
        Write(PortRegister(port), set is { } number ? (uint)number : NoSet);
        return OwnerOf(port) == set;
    }

    /// <summary>Periodic time that a set may use in a microframe, in nanoseconds.</summary>
    /// <param name="set">From 0 on.</param>
    public uint BudgetOf(int set) => Read(SetRegister(set, EhciManagementOffsets.Budget));

    /// <summary>Promises a set periodic time: no more than that passes, whatever its guest put into its lists.</summary>
    /// <param name="set">From 0 on.</param>
    /// <param name="budgetNs">Nanoseconds in each microframe.</param>
    /// <returns><c>false</c>, and nothing changed, where more than <see cref="PeriodicNsMax"/> would be promised in all.</returns>
    public bool TryPromise(int set, uint budgetNs)
    {
        ulong total = budgetNs;
        for (int other = 0; other < SetCount; other++)
            total += other == set ? 0 : BudgetOf(other);
        if (total > PeriodicNsMax)
            return false;
        Write(SetRegister(set, EhciManagementOffsets.Budget), budgetNs);
        return true;
    }

    /// <summary>Gives a set a weight, which counts under <see cref="SharingPolicy.Weighted"/>.</summary>
    /// <param name="set">From 0 on.</param>
    /// <param name="weight">1 to 255.</param>
    public void SetWeight(int set, int weight)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)weight - 1, 254u);
        Write(SetRegister(set, EhciManagementOffsets.Weight), (uint)weight);
    }

    /// <summary>Whose an address on the bus is.</summary>
    /// <param name="real">1 to 127.</param>
    public AddressEntry EntryOf(byte real)
    {
        uint value = Read(EhciManagementOffsets.FirstAddress + (4 * real));
        return new((AddressState)(value >> 30), (int)((value >> 8) & 0xFF), (byte)(value & 0x7F));
    }

    // Waits for questions for as long as the host runs: each stands for a guest that gives a device an address.
    private async void Serve()
    {
        while (await _interrupt.Signal.Wait())
        {
            for (uint question = Read(EhciManagementOffsets.Question); question >> 31 != 0; question = Read(EhciManagementOffsets.Question))
            {
                uint set = (question >> 8) & 0xFF;
                if (AssignmentOf((int)set).Machine is { } machine)
                    machine.Cpu.Processor.Charge(Cost.Exit);
                AddressesChosen++;
                Write(EhciManagementOffsets.Answer, (set << 8) | LowestFree());
            }
        }
    }

    private uint LowestFree()
    {
        for (byte real = 1; real < UsbBus.AddressCount; real++)
        {
            if (EntryOf(real).State == AddressState.Free)
                return real;
        }

        return 0;
    }

    private int SetRegister(int set, int register)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)set, (uint)SetCount, nameof(set));
        return EhciManagementOffsets.FirstSet + (set * EhciManagementOffsets.SetStride) + register;
    }

    private int PortRegister(int port)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)port - 1, (uint)PortCount - 1, nameof(port));
        return EhciManagementOffsets.FirstPort + (4 * (port - 1));
    }

    private uint Read(int offset) => (uint)_function.ReadBar(0, (ulong)offset, 4);

    private void Write(int offset, uint value) => _function.WriteBar(0, (ulong)offset, 4, value);
}
