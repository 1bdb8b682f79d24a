using Dma.Hal;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The interrupt messages of the function on this machine: on while a client has events for them, each to a vector of its own.</summary>
/// <remarks>
/// <code>
/// function, vector n --- message ---> remapping unit, entry of this function alone --- vector of processor 1 to 16 ---> signal n
/// </code>
/// Where the unit does not remap interrupts, the function is trusted with the vectors themselves.
/// </remarks>
internal sealed class FunctionMessages
{
    private const int VectorsOfProcessor = 128;
    private const int FirstVector = 64;
    private const int FirstProcessor = 1;

    private readonly VfioUserMachine _machine;
    private readonly bool _isExtended;
    private readonly MessageInterrupt[] _targets;
    private RemappedMessages? _entries;

    /// <summary>Messages of one kind, which are off.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="isExtended">Whether it is MSI-X rather than MSI.</param>
    public FunctionMessages(VfioUserMachine machine, bool isExtended)
    {
        _machine = machine;
        _isExtended = isExtended;
        int count = isExtended ? machine.Function.MsixVectors : machine.Function.MsiVectors;

        // MSI adds the number of a vector to the data: its first vector is a multiple of 32.
        _targets = [.. Enumerable.Range(0, count).Select(vector => MessageInterrupt.To(
            (byte)(FirstProcessor + (vector / VectorsOfProcessor)), (byte)(FirstVector + (vector % VectorsOfProcessor) + (isExtended ? 32 : 0))))];
        Signals = [.. _targets.Select(target => machine.Interrupts.Connect(target.Destination, target.Vector))];
    }

    /// <summary>What each vector raises.</summary>
    public IReadOnlyList<Signal> Signals { get; }

    /// <summary>Whether the function sends them.</summary>
    public bool AreOn { get; private set; }

    /// <summary>Lets the function send them, each to its signal.</summary>
    /// <returns><c>false</c>, and nothing changed, where the unit has no entries left.</returns>
    public bool TryTurnOn()
    {
        if (AreOn)
            return true;
        if (_machine.Remapping.Interrupts is { } remapping)
        {
            _entries = _machine.Do(() => remapping.TryAllocate(VfioUserMachine.Place, _targets));
            if (_entries is null)
                return false;
        }

        foreach (Signal signal in Signals)
            signal.Clear();
        AreOn = true;
        Program();
        return true;
    }

    /// <summary>Writes into the function again what a reset took.</summary>
    public void Program()
    {
        if (!AreOn)
            return;
        if (_isExtended)
            _machine.Function.SetMsix(vector => _entries?.MessageOf(vector) ?? _targets[vector]);
        else
            _machine.Function.SetMsi(_entries?.Message ?? _targets[0]);
    }

    /// <summary>Lets the function send none of them.</summary>
    public void TurnOff()
    {
        if (!AreOn)
            return;
        AreOn = false;
        if (_isExtended)
            _machine.Function.SetMsix(null);
        else
            _machine.Function.SetMsi(null);
        if (_entries is { } entries)
            _machine.Do(entries.Free);
        _entries = null;
    }
}
