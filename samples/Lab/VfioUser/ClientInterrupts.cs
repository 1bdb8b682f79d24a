using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>The interrupts of the function as a client sees them: by type and number, each signals an event.</summary>
/// <remarks>
/// What arrives at this machine as a message, or as the level of a pin, wakes a task that signals the client's event. INTx
/// masks itself when it is signalled, and is signalled again when the client unmasks it while the pin is still driven.
/// </remarks>
internal sealed class ClientInterrupts
{
    private readonly VfioUserMachine _machine;
    private readonly ClientVector[][] _vectors;
    private readonly FunctionMessages _msi;
    private readonly FunctionMessages _msix;

    /// <summary>The interrupts of a machine's function, with nothing assigned.</summary>
    public ClientInterrupts(VfioUserMachine machine)
    {
        _machine = machine;
        _vectors = [.. Enum.GetValues<InterruptType>().Select(type => NewVectors(CountOf(type)))];
        _msi = new(machine, isExtended: false);
        _msix = new(machine, isExtended: true);
        Forward(InterruptType.Msi, _msi);
        Forward(InterruptType.Msix, _msix);
        machine.Loop.Start(ForwardLine);

        // A reset takes messages from the function, not from the client.
        machine.Function.AfterReset = () =>
        {
            _msi.Program();
            _msix.Program();
        };
    }

    /// <summary>How many times an event was signalled since somebody was last served.</summary>
    public ulong Signalled { get; private set; }

    private ClientVector[] Line => _vectors[(int)InterruptType.Intx];

    /// <summary>How many interrupts of a type there are.</summary>
    public int CountOf(InterruptType type) => type switch
    {
        InterruptType.Intx => _machine.Function.Pin == 0 ? 0 : 1,
        InterruptType.Msi => _machine.Function.MsiVectors,
        InterruptType.Msix => _machine.Function.MsixVectors,
        _ => 0,
    };

    /// <summary>What can be done with the interrupts of a type: flags of <see cref="InterruptInfo"/>.</summary>
    public static uint FlagsOf(InterruptType type) => type switch
    {
        InterruptType.Intx => InterruptInfo.Event | InterruptInfo.Maskable | InterruptInfo.AutoMasked,
        InterruptType.Msi or InterruptType.Msix => InterruptInfo.Event | InterruptInfo.Maskable,
        _ => InterruptInfo.Event,
    };

    /// <summary>Does what a client says about some interrupts.</summary>
    /// <param name="request">Which, and what.</param>
    /// <param name="data">What followed it.</param>
    /// <param name="events">The descriptors that came along; those that are kept are taken out.</param>
    public ErrorNumber Set(in InterruptSet request, ReadOnlySpan<byte> data, List<SafeFileHandle> events)
    {
        ErrorNumber error = Check(request, data, events);
        if (error != ErrorNumber.None)
            return error;
        InterruptType type = (InterruptType)request.Index;
        if (request.Count == 0)
        {
            Clear(type);
            return ErrorNumber.None;
        }

        if ((request.Flags & InterruptSetFlags.DataEvent) != 0)
            return Assign(type, (int)request.Start, (int)request.Count, events);
        for (int index = 0; index < request.Count; index++)
        {
            if ((request.Flags & InterruptSetFlags.DataBool) == 0 || data[index] != 0)
                Act(type, (int)request.Start + index, request.Flags & InterruptSetFlags.ActionMask);
        }

        return ErrorNumber.None;
    }

    /// <summary>Takes everything back that a client has set.</summary>
    public void Clear()
    {
        foreach (InterruptType type in Enum.GetValues<InterruptType>())
            Clear(type);
        Signalled = 0;
    }

    private static ClientVector[] NewVectors(int count) => [.. Enumerable.Range(0, count).Select(_ => new ClientVector())];

    // One action, one kind of data, and both of a kind that the type has.
    private ErrorNumber Check(in InterruptSet request, ReadOnlySpan<byte> data, List<SafeFileHandle> events)
    {
        InterruptSetFlags action = request.Flags & InterruptSetFlags.ActionMask;
        InterruptSetFlags kind = request.Flags & InterruptSetFlags.DataMask;
        bool hasOne = action is InterruptSetFlags.Mask or InterruptSetFlags.Unmask or InterruptSetFlags.Trigger
            && kind is InterruptSetFlags.DataNone or InterruptSetFlags.DataBool or InterruptSetFlags.DataEvent
            && (request.Flags & ~(InterruptSetFlags.ActionMask | InterruptSetFlags.DataMask)) == 0;
        if (!hasOne || request.Index >= _vectors.Length)
            return ErrorNumber.Invalid;
        uint total = (uint)_vectors[request.Index].Length;
        if (request.Start >= total || request.Count > total - request.Start)
            return ErrorNumber.Invalid;
        bool isAll = request.Count == 0;
        if (isAll && (request.Start != 0 || action != InterruptSetFlags.Trigger || kind != InterruptSetFlags.DataNone))
            return ErrorNumber.Invalid;
        if ((kind == InterruptSetFlags.DataBool ? request.Count : 0) != data.Length)
            return ErrorNumber.Invalid;
        if (events.Count != 0 && (kind != InterruptSetFlags.DataEvent || events.Count != request.Count || !events.TrueForAll(UnixDescriptors.IsEvent)))
            return ErrorNumber.Invalid;

        // An event that masks, or that is told of masking, is nothing that a client needs to get along.
        bool isMask = action != InterruptSetFlags.Trigger;
        bool isMaskable = (FlagsOf((InterruptType)request.Index) & InterruptInfo.Maskable) != 0;
        return isMask && (kind == InterruptSetFlags.DataEvent || !isMaskable) ? ErrorNumber.NotSupported : ErrorNumber.None;
    }

    private ErrorNumber Assign(InterruptType type, int start, int count, List<SafeFileHandle> events)
    {
        FunctionMessages? messages = MessagesOf(type);
        if (events.Count != 0 && messages is not null && !messages.TryTurnOn())
            return ErrorNumber.NoSpace;
        for (int index = 0; index < count; index++)
            _vectors[(int)type][start + index].Event = events.Count == 0 ? null : events[index];
        events.Clear();
        if (messages is not null && _vectors[(int)type].All(vector => vector.Event is null))
            messages.TurnOff();
        if (type == InterruptType.Intx)
            LineAsserted();
        return ErrorNumber.None;
    }

    private void Act(InterruptType type, int number, InterruptSetFlags action)
    {
        ClientVector vector = _vectors[(int)type][number];
        switch (action)
        {
            case InterruptSetFlags.Mask:
                vector.IsMasked = true;
                break;
            case InterruptSetFlags.Unmask:
                vector.IsMasked = false;
                if (type == InterruptType.Intx)
                    LineAsserted();
                else if (vector.IsPending)
                    Signal(vector);
                break;
            default:
                Signal(vector);
                break;
        }
    }

    private void Clear(InterruptType type)
    {
        foreach (ClientVector vector in _vectors[(int)type])
            vector.Clear();
        MessagesOf(type)?.TurnOff();
    }

    private FunctionMessages? MessagesOf(InterruptType type) => type switch
    {
        InterruptType.Msi => _msi,
        InterruptType.Msix => _msix,
        _ => null,
    };

    private void Forward(InterruptType type, FunctionMessages messages)
    {
        for (int number = 0; number < messages.Signals.Count; number++)
        {
            ClientVector vector = _vectors[(int)type][number];
            Signal signal = messages.Signals[number];
            _machine.Loop.Start(async () =>
            {
                while (await signal.Wait())
                {
                    if (vector.IsMasked)
                        vector.IsPending = true;
                    else
                        Signal(vector);
                }
            });
        }
    }

    private async Task ForwardLine()
    {
        while (await _machine.Line.Asserted.Wait())
            LineAsserted();
    }

    // The pin may have fallen again meanwhile: what is no more needs no service.
    private void LineAsserted()
    {
        if (Line.Length == 0 || !_machine.Line.IsAsserted || Line[0].IsMasked || Line[0].Event is null)
            return;
        Line[0].IsMasked = true;
        Signal(Line[0]);
    }

    private void Signal(ClientVector vector)
    {
        vector.IsPending = false;
        if (vector.Signal())
            Signalled++;
    }
}
