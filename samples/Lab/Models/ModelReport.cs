using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>The same guest work by all models, and whether it came to the same.</summary>
/// <param name="Work">Each piece of work by each model.</param>
/// <param name="Mediators">Who stood between the VM and its devices, for each controller and model.</param>
/// <param name="Timelines">One small read by each model, for each controller.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Profile">The name of the remapping hardware.</param>
internal sealed record ModelReport(
    IReadOnlyList<ModelFigures> Work, IReadOnlyList<ModelMediator> Mediators, IReadOnlyList<ModelTransfer> Timelines, ulong Seed, string Profile)
{
    /// <summary>Whether every piece of work came to the same by all models, and to what the device has.</summary>
    public bool IsDataEqual => Work.All(figures => figures.IsEqual) && Groups.All(group => group.Select(figures => figures.Sha256).Distinct().Count() == 1);

    /// <summary>Whether no piece of work has fewer exits emulated than split, or split than direct.</summary>
    public bool IsInOrder => Groups.All(group => Of(group, IoModel.Emulated) >= Of(group, IoModel.Split) && Of(group, IoModel.Split) >= Of(group, IoModel.Direct));

    private IEnumerable<IGrouping<(string, string), ModelFigures>> Groups => Work.GroupBy(figures => (figures.Controller, figures.Work));

    private static ulong Of(IEnumerable<ModelFigures> group, IoModel model) => group.First(figures => figures.Model == model).Exits;
}

/// <summary>Who stood between a VM and its devices.</summary>
/// <param name="Controller">The controller, by its name.</param>
/// <param name="Model">The model.</param>
/// <param name="Mediator">Who it was.</param>
internal sealed record ModelMediator(string Controller, IoModel Model, string Mediator);

/// <summary>One small read, looked at closely.</summary>
/// <param name="Controller">The controller, by its name.</param>
/// <param name="Model">The model.</param>
/// <param name="Events">What happened.</param>
internal sealed record ModelTransfer(string Controller, IoModel Model, IReadOnlyList<ModelEvent> Events);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ModelReport))]
internal sealed partial class ModelJson : JsonSerializerContext;
