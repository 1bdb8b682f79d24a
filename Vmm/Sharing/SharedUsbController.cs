using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

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
        if (!result.IsDone)
            return result;
        Follower?.SetMoved(set, isGiven: true);
        foreach (int port in ports)
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

        Follower?.SetMoved(set, isGiven: false);
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
        Follower?.PortMoved(port, OwnerOf(port));
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

    /// <summary>Takes the limit off the periodic time of a set: whatever its guest put into its lists passes, as far as there is time in a microframe.</summary>
    /// <param name="set">From 0 on.</param>
    public void LiftBudget(int set) => Write(SetRegister(set, EhciManagementOffsets.Budget), WireTime.MicroframeNs);

    /// <summary>Gives a set a weight, which counts under <see cref="SharingPolicy.Weighted"/>.</summary>
    /// <param name="set">From 0 on.</param>
    /// <param name="weight">1 to 255.</param>
    public void SetWeight(int set, int weight)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)weight - 1, 254u);
        Write(SetRegister(set, EhciManagementOffsets.Weight), (uint)weight);
    }

    /// <summary>Whether requests by which guests choose what devices send periodically wait for an answer; <see cref="Follower"/> is told of them then.</summary>
    public bool HoldsConfigurations
    {
        get => Read(EhciManagementOffsets.Hold) != 0;
        set => Write(EhciManagementOffsets.Hold, value ? 1u : 0);
    }

    /// <summary>Who goes along with what is decided here, or null.</summary>
    public ISharingFollower? Follower { get; set; }

    /// <summary>Nanoseconds of its periodic time that a set is charged for a look at a structure without work.</summary>
    public uint FetchNs => Read(EhciManagementOffsets.Fetch);

    /// <summary>Ports of each set, from so many on, that have no bus behind them; as a guest counts, from 1.</summary>
    public int FirstInternalPort => (int)((Read(EhciManagementOffsets.Counts) >> 16) & 0xFF) - InternalPortCount + 1;

    /// <summary>How many ports of each set have no bus behind them.</summary>
    public int InternalPortCount => (int)(Read(EhciManagementOffsets.Counts) >> 24);

    /// <summary>Answers a question, or confirms what was noticed; a notice that is not true any more changes nothing.</summary>
    /// <param name="notice">What was noticed.</param>
    /// <param name="answer">To a question: 0 refuses, 1 lets the request go out; for SET_ADDRESS the address on the bus.</param>
    public void Answer(in RequestNotice notice, byte answer = 0) => Write(
        EhciManagementOffsets.Answer,
        ((uint)notice.State << 24) | ((uint)notice.Address << 16) | ((uint)notice.Set << 8) | answer);

    /// <summary>The configuration of a device, with all that belongs to it, as the device itself sent it to its driver.</summary>
    /// <param name="real">The address on the bus.</param>
    /// <param name="value">bConfigurationValue.</param>
    /// <returns>Empty where it was not sent since the device has its address.</returns>
    public byte[] ConfigurationOf(byte real, byte value)
    {
        uint selected = real | ((uint)value << 8);
        Write(EhciManagementOffsets.ConfigurationSelect, selected);
        byte[] bytes = new byte[Read(EhciManagementOffsets.ConfigurationLength)];
        for (int at = 0; at < bytes.Length; at += sizeof(uint))
        {
            Write(EhciManagementOffsets.ConfigurationSelect, selected | ((uint)at << 16));
            uint four = Read(EhciManagementOffsets.ConfigurationData);
            for (int index = at; index < Math.Min(at + sizeof(uint), bytes.Length); index++)
                bytes[index] = (byte)(four >> (8 * (index - at)));
        }

        return bytes;
    }

    /// <summary>The root port behind which the device with an address is; null where nobody knows, or none has it.</summary>
    /// <param name="real">1 to 127.</param>
    /// <returns>From 1 on.</returns>
    public int? RootPortOf(byte real)
    {
        uint value = Read(EhciManagementOffsets.FirstAddress + (4 * real));
        uint port = (value >> 16) & 0xFF;
        return (AddressState)(value >> 30) == AddressState.Live && port != NoSet ? (int)port + 1 : null;
    }

    /// <summary>Charges the VM that has a set an exit.</summary>
    /// <param name="set">From 0 on.</param>
    public void ChargeExit(int set) => AssignmentOf(set).Machine?.Cpu.Processor.Charge(Cost.Exit);

    /// <summary>Whose an address on the bus is.</summary>
    /// <param name="real">1 to 127.</param>
    public AddressEntry EntryOf(byte real)
    {
        uint value = Read(EhciManagementOffsets.FirstAddress + (4 * real));
        return new((AddressState)(value >> 30), (int)((value >> 8) & 0xFF), (byte)(value & 0x7F));
    }

    // Waits for notices for as long as the host runs. Who decides on reservations gets those that are not about an address.
    private async void Serve()
    {
        while (await _interrupt.Signal.Wait())
        {
            while (TryTakeNotice(out RequestNotice notice))
            {
                if (notice is { State: HeldState.Asked, Setup.Request: (byte)StandardRequest.SetAddress })
                    Answer(notice, ChooseAddress(notice.Set));
                else
                    Follower?.Noticed(notice);
            }
        }
    }

    private bool TryTakeNotice(out RequestNotice notice)
    {
        uint value = Read(EhciManagementOffsets.Notice);
        SetupPacket setup = new(new(((ulong)Read(EhciManagementOffsets.SetupHigh) << 32) | Read(EhciManagementOffsets.SetupLow)));
        notice = new((HeldState)((value >> 24) & 7), (int)((value >> 8) & 0xFF), (byte)(value & 0x7F), (byte)((value >> 16) & 0x7F), (value >> 27 & 1) != 0, setup);
        if (value >> 31 == 0)
            return false;
        Write(EhciManagementOffsets.Notice, value);
        return true;
    }

    private byte ChooseAddress(int set)
    {
        ChargeExit(set);
        AddressesChosen++;
        return LowestFree();
    }

    private byte LowestFree()
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
