using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The way of one front end to the service VM that serves it.</summary>
/// <remarks>
/// <code>
/// Idle --ConnectUsb--> Connecting --AcceptUsb--> Connected --DisconnectUsb--> Leaving --ReleaseUsb--> Idle
/// </code>
/// A service VM that does not answer is waited for a second; then what it had of the guest is taken from it.
/// </remarks>
internal sealed class FrontEndLink : IFrontEndServer, IGuestService
{
    private const ulong AnswerNsMax = 1_000_000_000;
    private const ulong ConnectNews = 1;
    private const ulong LeaveNews = 2;
    private const ulong CallsFlag = 1 << 8;

    private readonly ServiceVm _service;
    private readonly IGrants _grants;
    private readonly Signal _answered;
    private State _state;
    private bool _isTold = true;
    private int _ports;
    private FrontEndRings? _rings;
    private RequestRelay? _relay;

    /// <summary>Appoints a service VM.</summary>
    /// <param name="service">The service VM.</param>
    /// <param name="guest">Whom it serves.</param>
    /// <param name="number">By which it knows it.</param>
    public FrontEndLink(ServiceVm service, VirtualMachine guest, int number)
    {
        (_service, Guest, Number) = (service, guest, number);
        _grants = service.Options.Grants?.Invoke(guest) ?? guest.Grants;
        _answered = new(guest.Host.Loop);
        guest.UsbServer = this;
        guest.Services.Add(this);
    }

    private enum State
    {
        Idle,
        Connecting,
        Connected,
        Leaving,
    }

    /// <summary>Whose front end it is.</summary>
    public VirtualMachine Guest { get; }

    /// <summary>The number by which the service VM knows it.</summary>
    public int Number { get; }

    /// <summary>What the service VM has of the guest; null where it is not connected.</summary>
    public GrantMaps? Maps { get; private set; }

    /// <summary>How many pages that is.</summary>
    public int PagesMapped => Maps?.Pages ?? 0;

    /// <summary>Whether the guest broke the rules of a ring from which the VMM takes.</summary>
    public bool IsBroken => _relay is { IsBroken: true };

    private bool IsCalled => _service.Options.Transport == ServiceTransport.Call;

    /// <inheritdoc/>
    public async ValueTask<HypercallResult> Connect(ulong requests, ulong plugs, ulong vector)
    {
        if (_state != State.Idle)
            return new(DmaRefusal.StillMapped, 0);
        if (!_service.IsReady)
            return new(DmaRefusal.NotAssigned, 0);
        DmaRefusal refusal = FrontEndRings.TryOpen(Guest, _grants, requests, plugs, vector, out _rings);
        if (refusal != DmaRefusal.None)
            return new(refusal, 0);
        Maps = new(_service.Machine, _grants, _service.Window);
        await Ask(State.Connecting);
        return _state == State.Connected ? new(DmaRefusal.None, (uint)_ports | (IsCalled ? CallsFlag : 0)) : new(DmaRefusal.NotAssigned, 0);
    }

    /// <inheritdoc/>
    public DmaRefusal Notify()
    {
        if (_state != State.Connected)
            return DmaRefusal.NotAssigned;
        _relay?.Forward(Guest.Cpu.Processor);
        _service.Counts = _service.Counts with { NotificationsToService = _service.Counts.NotificationsToService + 1 };
        _service.Wake(1 + Number);
        return DmaRefusal.None;
    }

    /// <inheritdoc/>
    public async ValueTask<DmaRefusal> Disconnect()
    {
        if (_state != State.Connected)
            return DmaRefusal.NotAssigned;
        await Ask(State.Leaving);
        return DmaRefusal.None;
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_state != State.Idle)
            await Ask(State.Leaving);
        Leave();
    }

    /// <summary>The service VM has ended: all that waits is told so, and nothing is mapped any more.</summary>
    public async ValueTask Drop()
    {
        if (_state == State.Connected)
            SayFarewell();
        await CloseAll();
        Leave();
    }

    /// <summary>What the service VM has to hear of it, once; null for nothing.</summary>
    public ulong? TakeChange()
    {
        if (_isTold)
            return null;
        _isTold = true;
        return _state == State.Connecting ? ConnectNews : LeaveNews;
    }

    /// <summary>Answers <see cref="Hypercall.AcceptUsb"/>.</summary>
    public async ValueTask<HypercallResult> Accept(ulong ports, GuestPhysicalAddress pages)
    {
        if (_state != State.Connecting || !_isTold || Maps is not { } maps)
            return new(DmaRefusal.NotMapped, 0);
        ulong bytes = 2 * SharedRing.PageBytes;
        bool arePages = IsCalled ? pages.PageOffset == 0 && _service.Machine.Memory.Contains(pages, bytes) : pages.Value == 0;
        if (ports is 0 or > BackEndPorts.Count || !arePages)
            return new(DmaRefusal.BadRange, 0);
        HypercallResult result = new(DmaRefusal.None, pages.Value);
        if (IsCalled)
            _relay = new(Guest, _rings!, new(_service.Machine.Cpu, pages, (int)bytes));
        else
            result = await maps.MapRings(_rings!);
        if (result.Refusal != DmaRefusal.None || !IsStill(State.Connecting))
            return result;
        (_state, _ports) = (State.Connected, (int)ports);
        _answered.Raise();
        return result;
    }

    /// <summary>Answers <see cref="Hypercall.ReleaseUsb"/>.</summary>
    public async ValueTask<DmaRefusal> Release()
    {
        if (_state is not (State.Leaving or State.Connecting))
            return DmaRefusal.NotMapped;
        await CloseAll();
        return DmaRefusal.None;
    }

    /// <summary>Answers <see cref="Hypercall.NotifyFrontEnd"/>.</summary>
    public DmaRefusal NotifyFrontEnd()
    {
        if (_state is not (State.Connected or State.Leaving) || _rings is not { } rings)
            return DmaRefusal.NotMapped;
        _relay?.Return(_service.Machine.Cpu.Processor);
        _service.Counts = _service.Counts with { NotificationsToFrontEnds = _service.Counts.NotificationsToFrontEnds + 1 };
        Guest.Interrupt(rings.Interrupt);
        return DmaRefusal.None;
    }

    // Time passed since it was last looked at.
    private bool IsStill(State state) => _state == state;

    private async ValueTask Ask(State wanted)
    {
        (_state, _isTold) = (wanted, false);
        _answered.Clear();
        _service.Wake(0);
        while (_state == wanted)
        {
            if (!await _answered.Wait(AnswerNsMax) && IsStill(wanted))
                await CloseAll();
        }
    }

    private async ValueTask CloseAll()
    {
        if (Maps is { } maps)
            await maps.Close();
        Maps = null;
        _rings?.Return(_grants);
        (_rings, _relay, _state, _isTold) = (null, null, State.Idle, true);
        _answered.Raise();
    }

    private void Leave()
    {
        _service.Remove(this);
        Guest.UsbServer = null;
        _ = Guest.Services.Remove(this);
    }

    // What the dead one owed nobody knows but the front end itself: one answer that says so is enough for all of them.
    private void SayFarewell()
    {
        if (_relay is { } relay)
            relay.RefuseAll();
        else
            RingFarewell.Write(Guest.Host.Cpu, new(_rings!.Requests.Frame.Value));
        Guest.Interrupt(_rings!.Interrupt);
    }
}
