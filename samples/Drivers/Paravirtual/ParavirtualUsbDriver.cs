using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>The front end of the split driver: a host controller without hardware. Requests go to the host through shared memory.</summary>
/// <remarks>
/// Drivers of devices run on it unchanged. Their buffers are granted to the host for as long as they are mapped; a hypercall
/// wakes the host when it sleeps, an interrupt wakes the guest when it sleeps.
/// </remarks>
public sealed class ParavirtualUsbDriver : IUsbHostController
{
    private const int GrantPages = 8;
    private const ulong CallsFlag = 1 << 8;
    private const ulong PlugTimeoutNs = 1_000_000_000;

    private readonly IHypercallGate _gate;
    private readonly GuestGrants _grants;
    private readonly GrantDmaSpace _memory;
    private readonly CoherentBuffer[] _pages;
    private readonly FrontRing _plugs;
    private readonly Signal _interrupt;
    private readonly Signal _plugged;
    private readonly DeviceSpeed?[] _ports;
    private bool _isStopping;

    private ParavirtualUsbDriver(ICpu cpu, IHypercallGate gate, GuestGrants grants, GrantDmaSpace memory, CoherentBuffer[] pages, byte vector, int ports)
    {
        (_gate, _grants, _memory, _pages) = (gate, grants, memory, pages);
        Processor = cpu.Processor;
        Ring = new(cpu.Processor, gate, new(pages[0].Memory, UrbRequest.Size));
        _plugs = new(pages[1].Memory, PlugEvent.Size);
        _interrupt = cpu.Vector(vector);
        _plugged = new(cpu.Processor.Loop);
        _ports = new DeviceSpeed?[ports];
    }

    /// <inheritdoc/>
    public IUsbHostController Controller => this;

    /// <inheritdoc/>
    public IDmaSpace Memory => _memory;

    /// <inheritdoc/>
    public Processor Processor { get; }

    /// <inheritdoc/>
    public bool HasStopped => Ring.HasStopped;

    /// <inheritdoc/>
    public Gate AddressZero { get; } = new();

    /// <inheritdoc/>
    public int PortCount => _ports.Length;

    internal ParavirtualRing Ring { get; }

    /// <summary>Connects to the back end.</summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="gate">The way to the VMM.</param>
    /// <param name="frames">Where all memory comes from.</param>
    /// <param name="vector">The vector that the back end raises, 32 to 255.</param>
    /// <exception cref="DriverException">There is none, or memory is used up.</exception>
    public static async ValueTask<ParavirtualUsbDriver> Start(ICpu cpu, IHypercallGate gate, FrameAllocator frames, byte vector)
    {
        try
        {
            GuestGrants grants = await GuestGrants.Share(cpu, gate, frames, GrantPages);
            GrantDmaSpace memory = new(cpu, frames, grants);
            CoherentBuffer[] pages = [await memory.AllocateCoherent(SharedRing.PageBytes), await memory.AllocateCoherent(SharedRing.PageBytes)];
            _ = cpu.Vector(vector);
            HypercallResult connected = await gate.Call(
                Hypercall.ConnectUsb, GrantDmaSpace.GrantOf(pages[0].Mapping.DeviceAddress), GrantDmaSpace.GrantOf(pages[1].Mapping.DeviceAddress), vector);
            if (connected.Refusal != DmaRefusal.None)
                throw new DriverException(DriverFailure.NoDriver, $"No back end passes USB devices on: {connected.Refusal}.");
            ParavirtualUsbDriver driver = new(cpu, gate, grants, memory, pages, vector, (int)Math.Min(connected.Value & byte.MaxValue, SharedRing.CountOf(PlugEvent.Size) / 2));
            driver.Ring.IsCalled = (connected.Value & CallsFlag) != 0;
            await driver.Run();
            return driver;
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, refusal.Message);
        }
    }

    /// <inheritdoc/>
    public async ValueTask Stop()
    {
        _isStopping = true;
        _ = await _gate.Call(Hypercall.DisconnectUsb);
        Ring.Stop();
        _interrupt.Raise();
        foreach (CoherentBuffer page in _pages)
            (await _memory.FreeCoherent(page)).Require("free a ring");
        _ = await _grants.Close();
    }

    /// <inheritdoc/>
    public async ValueTask<UsbLocation> ResetPort(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, PortCount);
        ulong endNs = Processor.Loop.NowNs + PlugTimeoutNs;
        while (_ports[port - 1] is null && Processor.Loop.NowNs < endNs && !HasStopped)
            _ = await Processor.Wait(_plugged, endNs - Processor.Loop.NowNs);

        // The host resets a device that had an address when it is given one again.
        return _ports[port - 1] is { } speed
            ? new(port, Route: 0, speed, Translator: null)
            : throw new DriverException(DriverFailure.NothingConnected, $"Nothing is connected to port {port}.");
    }

    /// <inheritdoc/>
    public ValueTask<IUsbConnection> Connect(UsbLocation location) => new(new ParavirtualConnection(this, location));

    private async ValueTask Run()
    {
        // One request for each piece of news about a port that may be on its way: they come without being asked for.
        byte[] request = new byte[PlugEvent.Size];
        for (ushort id = 0; _plugs.Free != 0; id++)
        {
            BitConverter.TryWriteBytes(request, new PlugEvent { Id = id }.Raw.Value);
            _plugs.Add(request);
        }

        _ = _plugs.Push();
        Processor.Loop.Start(Serve);
        TakeAll();

        // Devices that were there before anybody asked are told now.
        _ = await _gate.Call(Hypercall.NotifyUsb);
    }

    private async Task Serve()
    {
        while (!_isStopping)
        {
            _ = await Processor.Wait(_interrupt);
            if (!_isStopping)
                TakeAll();
        }
    }

    private void TakeAll()
    {
        Ring.TakeAll();
        byte[] bytes = new byte[PlugEvent.Size];
        do
        {
            while (_plugs.TryTake(bytes))
            {
                PlugEvent news = new(new(BitConverter.ToUInt32(bytes)));
                if (news.Port >= 1 && news.Port <= _ports.Length)
                    _ports[news.Port - 1] = SpeedOf(news.Speed);

                // Room for the next one.
                _plugs.Add(bytes);
                _ = _plugs.Push();
            }
        }
        while (!_plugs.Sleep());
        _plugged.Raise();
        _plugged.Clear();
    }

    private static DeviceSpeed? SpeedOf(PlugSpeed speed) => speed switch
    {
        PlugSpeed.Low => DeviceSpeed.Low,
        PlugSpeed.Full => DeviceSpeed.Full,
        PlugSpeed.High => DeviceSpeed.High,
        _ => null,
    };
}
