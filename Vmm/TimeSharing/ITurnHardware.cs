using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A real controller whose root ports have gates, in the hands of the VMM: what each kind does in its own way when it goes from VM to VM.</summary>
internal interface ITurnHardware
{
    /// <summary>Whether nobody answers any more: it was pulled out.</summary>
    bool IsGone { get; }

    /// <summary>Root ports, 32 at most.</summary>
    int PortCount { get; }

    /// <summary>Whose gates are closed, a bit for each port.</summary>
    uint Gates { get; set; }

    /// <summary>Whether the VM that has it has work, as far as registers tell.</summary>
    bool IsBusy { get; }

    /// <summary>Registers that are saved, and that are restored, in a switch.</summary>
    int Registers { get; }

    /// <summary>Bytes of the state region that the VMM writes and reads in a switch.</summary>
    int StateBytes { get; }

    /// <summary>Frames of the state region that the controller itself reaches; 0 where it saves nothing by itself.</summary>
    int ScratchpadPages { get; }

    /// <summary>Registers in configuration space that are those of the kind.</summary>
    IReadOnlyList<Register> ConfigurationRegisters { get; }

    /// <summary>The register, and what is written there, that resets the controller.</summary>
    (ulong Offset, uint Value) ResetCommand { get; }

    /// <summary>PORTSC goes to its reset value, of these ports alone.</summary>
    void ResetPorts(uint ports);

    /// <summary>It comes to a stop, and what is done has been reported.</summary>
    /// <param name="pace">How the VMM waits.</param>
    /// <param name="timeoutNs">How long that may take.</param>
    /// <returns><c>false</c> where it does not stop.</returns>
    ValueTask<bool> Quiesce(TurnPace pace, ulong timeoutNs);

    /// <summary>It stops, whatever it does, and knows nothing any more; ports whose gates are closed stay as they are.</summary>
    /// <returns><c>false</c> where it does not react.</returns>
    ValueTask<bool> Reset(TurnPace pace);

    /// <summary>What a VM sees of it.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="ports">The root ports of the VM, a bit for each.</param>
    /// <param name="region">Where its state is kept.</param>
    /// <param name="interrupt">How an interrupt gets into the VM.</param>
    ITurnImage CreateImage(EventLoop loop, uint ports, StateRegion region, Action interrupt);
}
